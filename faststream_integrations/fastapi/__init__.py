"""FastStream in FastAPI: one router brings the brokers, their handlers and their context."""

try:
    import fastapi  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "fastapi":
        raise
    msg = (
        "faststream_integrations.fastapi needs FastAPI. "
        'Install it with: pip install "faststream-integrations[fastapi]"'
    )
    raise ImportError(msg) from error

from faststream_integrations.fastapi.markers import Context, Depends, Logger
from faststream_integrations.fastapi.router import FastStreamRouter

__all__ = ("Context", "Depends", "FastStreamRouter", "Logger")
