"""The AsyncAPI document as JSON and YAML, generated once for each state of the application."""

import json
from copy import copy
from typing import Any

from anyio import Lock, to_thread
from faststream.specification.base import SpecificationFactory
from pydantic_core import to_json

from faststream_integrations._faststream import default_logger
from faststream_integrations.asyncapi.http_routes import add_to_document, http_operations
from faststream_integrations.asyncapi.payloads import describable
from faststream_integrations.asyncapi.response import Representation

__all__ = ("Document", "DocumentError")


class DocumentError(RuntimeError):
    """FastStream could not generate the document; the log has its exception."""


class Document:
    """The document of a specification, generated again when the application has grown.

    Generating takes FastStream a millisecond or two for each channel: a thread does it, so that
    the event loop goes on with the application's messages.

    Args:
        specification: FastStream's factory, such as `AsyncAPI(broker)`.
    """

    def __init__(self, specification: SpecificationFactory) -> None:
        self.specification = specification
        self._lock = Lock()
        self._parts: list[object] = []
        self._json: Representation | None = None
        self._yaml: Representation | None = None

    @property
    def title(self) -> str:
        """The application's title."""
        return str(getattr(self.specification, "title", "AsyncAPI"))

    async def json(self) -> Representation:
        """The document as JSON.

        Raises:
            DocumentError: It cannot be generated.
        """
        if self._json is not None and self._parts == _parts(self.specification):
            return self._json
        async with self._lock:
            parts = _parts(self.specification)
            if self._json is None or self._parts != parts:
                body = await to_thread.run_sync(self._generate)
                self._json, self._yaml = Representation(body, "application/json"), None
                self._parts = parts
            return self._json

    async def yaml(self) -> Representation:
        """The document as YAML; where PyYAML is not installed, as JSON, which is YAML as well.

        Raises:
            DocumentError: It cannot be generated.
        """
        source = await self.json()
        if self._yaml is None:
            body = await to_thread.run_sync(_to_yaml, source.body)
            yaml = Representation(body, "application/yaml")  # RFC 9512
            if self._json is not source:
                return yaml
            self._yaml = yaml
        return self._yaml

    def _generate(self) -> bytes:
        try:
            document = _document_of(self.specification)
            _sort(document)
            return to_json(document)
        except Exception as error:
            default_logger.exception("The AsyncAPI document could not be generated.")
            msg = "The AsyncAPI document could not be generated; the server's log says why."
            raise DocumentError(msg) from error


def _document_of(specification: SpecificationFactory) -> dict[str, Any]:
    if "brokers" not in getattr(specification, "__dict__", {}):
        # Not FastStream's: it says what it says.
        return dict(specification.to_specification().to_jsonable())
    operations = http_operations(getattr(specification, "http_handlers", ()))
    of_http = [schema for operation in operations for schema in operation.schemas()]
    described: Any = copy(specification)
    described.brokers = describable(described.brokers, of_http)
    described.http_handlers = []
    document: dict[str, Any] = described.to_specification().to_jsonable()
    add_to_document(document, operations)
    return document


def _parts(specification: SpecificationFactory) -> list[object]:
    """Everything whose coming or going changes the document.

    Two such lists are equal when they hold the same objects, which comparing them checks first.
    """
    parts: list[object] = []
    for broker in getattr(specification, "brokers", ()):
        subscribers = broker.subscribers
        parts.append(broker)
        parts += subscribers
        for subscriber in subscribers:
            # A handler may be decorated long after its subscriber was made.
            parts += getattr(subscriber, "calls", ())
        parts += broker.publishers
    parts += getattr(specification, "http_handlers", ())
    return parts


def _sort(document: dict[str, Any]) -> None:
    """Order by name what comes out of a broker's sets, so that every worker process answers alike.

    The `ETag` is the same then, and a reader finds a channel where the alphabet has it.
    """
    components = document.get("components", {})
    for holder, name in (
        (document, "channels"),
        (document, "operations"),
        *((components, name) for name in components),
    ):
        if isinstance(holder.get(name), dict):
            holder[name] = dict(sorted(holder[name].items()))


def _to_yaml(source: bytes) -> bytes:
    try:
        import yaml
    except ImportError:
        return source
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(json.loads(source), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return str(text).encode()
