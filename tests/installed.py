"""What is installed, where tests have to know."""

from importlib.metadata import version

OLDEST_FASTSTREAM = version("faststream") == "0.7.0"
