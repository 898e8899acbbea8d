"""The AsyncAPI docs page: offline, escaped, below any prefix of any ASGI framework."""

from faststream_integrations.asyncapi.app import make_asyncapi_asgi

__all__ = ("make_asyncapi_asgi",)
