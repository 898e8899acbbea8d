"""The AsyncAPI document as JSON and YAML, generated once for each state of the application."""

import json
import logging
from collections.abc import Iterator
from typing import Any

from faststream.specification.base import SpecificationFactory

from faststream_integrations.asyncapi.response import Representation

__all__ = ("Document", "DocumentError")

logger = logging.getLogger(__name__)


class DocumentError(RuntimeError):
    """FastStream could not generate the document; the log has its exception."""


class Document:
    """The document of a specification, generated again when the application has grown.

    Args:
        specification: FastStream's factory, such as `AsyncAPI(broker)`.
    """

    def __init__(self, specification: SpecificationFactory) -> None:
        self.specification = specification
        self._parts: list[object] | None = None
        self._json: Representation | None = None
        self._yaml: Representation | None = None

    @property
    def title(self) -> str:
        """The application's title."""
        return str(getattr(self.specification, "title", "AsyncAPI"))

    def json(self) -> Representation:
        """The document as JSON.

        Raises:
            DocumentError: It cannot be generated.
        """
        # Compared by identity: the list keeps its parts alive, so no id is used twice.
        parts = list(_parts(self.specification))
        known = self._parts
        if (
            self._json is None
            or known is None
            or len(known) != len(parts)
            or any(a is not b for a, b in zip(known, parts, strict=True))
        ):
            self._json = Representation(self._generate(), "application/json")
            self._yaml = None
            self._parts = parts
        return self._json

    def yaml(self) -> Representation:
        """The document as YAML; where PyYAML is not installed, as JSON, which is YAML as well.

        Raises:
            DocumentError: It cannot be generated.
        """
        source = self.json()
        if self._yaml is None:
            # RFC 9512
            self._yaml = Representation(_to_yaml(source.body), "application/yaml")
        return self._yaml

    def _generate(self) -> bytes:
        try:
            return self.specification.to_specification().to_json().encode()
        except Exception as error:
            logger.exception("The AsyncAPI document could not be generated")
            msg = "The AsyncAPI document could not be generated; the server's log says why."
            raise DocumentError(msg) from error


def _parts(specification: SpecificationFactory) -> Iterator[object]:
    """Everything whose coming or going changes the document."""
    for broker in getattr(specification, "brokers", ()):
        yield broker
        for subscriber in broker.subscribers:
            yield subscriber
            # A handler may be decorated long after its subscriber was made.
            yield from getattr(subscriber, "calls", ())
        yield from broker.publishers
    for path, handler in getattr(specification, "http_handlers", ()):
        yield path
        yield handler


def _to_yaml(source: bytes) -> bytes:
    try:
        import yaml
    except ImportError:
        return source
    dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(json.loads(source), Dumper=dumper, sort_keys=False, allow_unicode=True)
    return str(text).encode()
