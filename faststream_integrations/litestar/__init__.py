"""FastStream in Litestar: ``Litestar([...], plugins=[FastStreamPlugin(broker)])``."""

try:
    import litestar  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "litestar":
        raise
    msg = (
        "faststream_integrations.litestar needs litestar. "
        'Install it with: pip install "faststream-integrations[litestar]"'
    )
    raise ImportError(msg) from error

from faststream_integrations.litestar.injection import inject
from faststream_integrations.litestar.plugin import FastStreamPlugin

__all__ = ("FastStreamPlugin", "inject")
