"""The AsyncAPI document as JSON and YAML, generated once for each state of the application."""

import json
import logging
from collections.abc import Iterable
from typing import Any

from anyio import Lock, to_thread
from faststream.specification import AsyncAPI
from faststream.specification.base import SpecificationFactory
from pydantic_core import to_json

from faststream_integrations._faststream import Application
from faststream_integrations.asyncapi.http_routes import add_missing_routes
from faststream_integrations.asyncapi.response import Representation
from faststream_integrations.environment import BrokerOrApp

__all__ = ("Document", "DocumentError", "specification_of")

logger = logging.getLogger(__name__)


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
            document = self.specification.to_specification().to_jsonable()
            add_missing_routes(document, getattr(self.specification, "http_handlers", ()))
            _sort(document)
            return to_json(document)
        except Exception as error:
            logger.exception("The AsyncAPI document could not be generated")
            msg = "The AsyncAPI document could not be generated; the server's log says why."
            raise DocumentError(msg) from error


def specification_of(brokers_or_app: Iterable[BrokerOrApp]) -> SpecificationFactory:
    """Return the specification of a `FastStream` application, else a new one."""
    for target in brokers_or_app:
        if isinstance(target, Application):
            return target.schema
    return AsyncAPI()


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
