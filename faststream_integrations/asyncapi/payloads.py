"""The schemas of messages: what a handler accepts, under names that no other model has.

FastStream's generator names a schema by its title and forgets that two modules may have an `Order`
each, takes the first nested model for the payload where the parameter's annotation is no plain
class, and fails as a whole where one type has no JSON Schema (0.7.0 - 0.7.8).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

from faststream.specification.asyncapi.utils import clear_key, to_camelcase
from pydantic import ConfigDict, create_model
from pydantic.json_schema import GenerateJsonSchema

from faststream_integrations._faststream import (
    channels_of,
    compile_calls,
    default_logger,
    published_types,
)
from faststream_integrations.brokers.names import channel_names, documented_subscribers

__all__ = (
    "DEFINITIONS",
    "Schema",
    "describable",
    "described",
    "operation_ids",
    "schema_of",
)

_CLASS = "x-python-class"
DEFINITIONS = "$defs"
_POINTER = f"#/{DEFINITIONS}/"
_ADDRESS = re.compile(r":\d+(?=[\"'])")

Schema = dict[str, Any]


class _Generator(GenerateJsonSchema):
    """Notes beside each schema of a class which one it is."""

    def model_schema(self, schema: Any) -> Schema:
        return _noted(super().model_schema(schema), schema)

    def dataclass_schema(self, schema: Any) -> Schema:
        return _noted(super().dataclass_schema(schema), schema)

    def typed_dict_schema(self, schema: Any) -> Schema:
        return _noted(super().typed_dict_schema(schema), schema)

    def enum_schema(self, schema: Any) -> Schema:
        return _noted(super().enum_schema(schema), schema)


def _noted(json_schema: Schema, schema: Any) -> Schema:
    if (cls := schema.get("cls")) is not None:
        name = f"{cls.__module__}.{cls.__qualname__}".replace("<locals>.", "")
        json_schema[_CLASS] = f"{name}:{id(cls)}"
    return json_schema


def schema_of(parameters: Mapping[str, tuple[Any, Any]], title: str) -> Schema:
    """Return the JSON Schema of what fills parameters: the one, or an object of several.

    Args:
        parameters: Name, annotation and default of each.
        title: The title, where the annotation has none of its own.

    Raises:
        Exception: pydantic has no JSON Schema for an annotation.
    """
    if not parameters:
        return {"title": "EmptyPayload", "type": "null"}
    config = ConfigDict(arbitrary_types_allowed=True)
    model: Any = create_model("Parameters", __config__=config, **parameters)  # type: ignore[call-overload]
    schema: Schema = model.model_json_schema(schema_generator=_Generator)
    del schema[_CLASS]
    if len(parameters) > 1:
        return {**schema, "title": title}
    definitions = schema.pop(DEFINITIONS, {})
    (body,) = schema["properties"].values()
    if pointer := body.pop("$ref", None):
        # What stands beside the reference is said of the parameter, and so of the message.
        body = {**deepcopy(definitions[pointer.removeprefix(_POINTER)]), **body}
    elif body.get("title") == _generated_title(next(iter(parameters))):
        body["title"] = title
    if definitions:
        body[DEFINITIONS] = definitions
    return {"title": title, **body}


def _generated_title(name: str) -> str:
    return name.title().replace("_", " ").strip()


class _Endpoint:
    """A subscriber or publisher, as FastStream's generator asks it, with payloads of ours.

    Args:
        endpoint: The subscriber or publisher.
        payloads: The schema for each of its functions, and that function's name in camel case.
        names: The own names of its channels by those that FastStream gives.
    """

    def __init__(
        self, endpoint: Any, payloads: list[tuple[Schema, str]], names: Mapping[str, str]
    ) -> None:
        self.specification = endpoint.specification
        self.channels: dict[str, Any] = channels_of(endpoint, payloads)
        self.rename(names)

    def rename(self, names: Mapping[str, str]) -> None:
        """Give channels their own names."""
        self.channels = {
            names.get(name, name): _renamed(channel, name, names.get(name, name))
            for name, channel in self.channels.items()
        }
        config = self.specification.config
        if own := names.get(config.title_):
            # The operation is called by the title.
            self.specification = copy(self.specification)
            self.specification.config = replace(config, title_=own)

    def schema(self) -> dict[str, Any]:
        return self.channels

    def bodies(self) -> Iterator[tuple[str, Schema]]:
        """Go through the schemas: the channel's name, and a schema that may be changed."""
        for name, channel in self.channels.items():
            message = channel.operation.message
            # Channels of one subscriber share it.
            message.payload = deepcopy(message.payload)
            several = message.payload.get("oneOf")
            for body in several.values() if isinstance(several, dict) else [message.payload]:
                if body:
                    yield name, body


def _renamed(channel: Any, name: str, own: str) -> Any:
    """Return a channel whose message, which is called by the channel, follows its name."""
    message = channel.operation.message
    title = message.title or ""
    if name == own or not title.startswith(f"{name}:"):
        return channel
    message = replace(message, title=own + title.removeprefix(name))
    return replace(channel, operation=replace(channel.operation, message=message))


class _Broker:
    """A broker, as FastStream's generator asks it."""

    def __init__(self, broker: Any, names: Mapping[Any, Mapping[str, str]]) -> None:
        self._broker = broker
        self.subscribers = [
            _Endpoint(subscriber, _of_subscriber(subscriber), names.get(subscriber, {}))
            for subscriber in documented_subscribers(broker)
        ]
        self.publishers = [
            _Endpoint(publisher, _of_publisher(publisher), {})
            for publisher in broker.publishers
            if publisher.specification.include_in_schema
        ]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


def describable(brokers: Iterable[Any], others: Iterable[tuple[str, Schema]] = ()) -> list[Any]:
    """Return brokers that FastStream's generator describes truthfully.

    A message that cannot be described has a note in its place, and the log a warning. Channels and
    models of one name have names of their own, in every payload and inside of every model.

    Args:
        brokers: The brokers.
        others: Further schemas of the document, each with the name of its operation; they are
            changed.
    """
    brokers = list(brokers)
    names = channel_names(brokers)
    views = [_Broker(broker, names) for broker in brokers]
    _name_publishers_apart(views, {own for each in names.values() for own in each.values()})
    of_messages = [
        body
        for view in views
        for endpoint in (*view.subscribers, *view.publishers)
        for body in endpoint.bodies()
    ]
    _name_apart([*of_messages, *others])
    return views


def _name_publishers_apart(views: Iterable[_Broker], taken: set[str]) -> None:
    """Give channels of publishers names of their own; those that say the same are one."""
    found = sorted(
        (
            (name, number, _ADDRESS.sub("", repr(channel)), endpoint)
            for number, view in enumerate(views)
            for endpoint in view.publishers
            for name, channel in endpoint.channels.items()
        ),
        # Sorted, so that every worker process gives the same names.
        key=lambda each: each[:3],
    )
    seen: set[tuple[str, int, str]] = set()
    for name, number, said, endpoint in found:
        if (name, number, said) in seen:
            del endpoint.channels[name]
            continue
        seen.add((name, number, said))
        count, own = 1, name
        while own in taken:
            count += 1
            own = f"{name}-{count}"
        taken.add(own)
        endpoint.rename({name: own})


def _of_subscriber(subscriber: Any) -> list[tuple[Schema, str]]:
    specification = subscriber.specification
    name = specification.call_name
    title = f"{specification.config.title_ or name}:Message:Payload"
    try:
        compile_calls(subscriber)
    except Exception as error:
        return [(_note(title, name, error), to_camelcase(name))]
    payloads = [
        (described(_parameters(item.dependant), title, item.name), to_camelcase(item.name))
        for item in subscriber.calls
    ]
    return payloads or [({"title": title}, to_camelcase(name))]


def _of_publisher(publisher: Any) -> list[tuple[Schema, str]]:
    title = f"{publisher.specification.name}:Message:Payload"
    try:
        types = list(published_types(publisher))
    except Exception as error:
        return [(_note(title, publisher.specification.name, error), "")]
    return [
        (
            described({"response__": (annotation, ...)}, title, publisher.specification.name),
            to_camelcase(name),
        )
        for name, annotation in types
    ]


def _parameters(call: Any) -> dict[str, tuple[Any, Any]]:
    """Return what the payload fills of a FastDepends call: annotation and default by name."""
    return {
        option.field_name: (option.field_type, option.default_value)
        for option in call.flat_params
        if option.field_name not in call.custom_fields
    }


def described(parameters: Mapping[str, tuple[Any, Any]], title: str, name: str) -> Schema:
    """Return `schema_of` the parameters, or a note where they have none.

    Args:
        parameters: As for `schema_of`.
        title: As for `schema_of`.
        name: What the log says that it concerns.
    """
    try:
        return schema_of(parameters, title)
    except Exception as error:
        return _note(title, name, error)


def _note(title: str, name: str, error: Exception) -> Schema:
    reason = f"{type(error).__name__}: {error}".partition("\n")[0]
    default_logger.warning("The AsyncAPI document has no schema for %s: %s", name, reason)
    note = "This message is not described: its type has no JSON Schema. The server's log says more."
    return {"title": title, "description": note}


def operation_ids(subscriber: Any, names: Mapping[str, str]) -> list[str]:
    """Return the ids that a subscriber's operations have in the document (3.0.0).

    Args:
        subscriber: The subscriber.
        names: The own names of its channels, as of `channel_names`.
    """
    title = subscriber.specification.config.title_
    if len(names) == 1 and title and title != "/":
        return [names.get(title, title)]
    return [f"{clear_key(name)}Subscribe" for name in names.values()]


# Names.


def _name_apart(bodies: list[tuple[str, Schema]]) -> None:
    """Give models that share a name, and are not the same, names of their own.

    Args:
        bodies: The schemas of all messages, each with the name of its channel; they are changed.
    """
    taken: dict[str, dict[str, str]] = {}
    for channel, body in bodies:
        definitions = body.get(DEFINITIONS, {})
        for name, schema in definitions.items():
            taken.setdefault(name, {})[_identity(schema, definitions)] = _long_name(schema, name)
        title = body["title"]
        alternative = f"{channel}:{title.rpartition(':')[2]}" if ":" in title else title
        identity = _identity(_without_definitions(body), definitions)
        taken.setdefault(title, {})[identity] = _long_name(body, alternative)
    names = {name: _apart(name, identities) for name, identities in taken.items()}
    for _, body in bodies:
        definitions = body.pop(DEFINITIONS, {})
        renamed = {
            name: names[name][_identity(schema, definitions)]
            for name, schema in definitions.items()
        }
        body["title"] = names[body["title"]][_identity(body, definitions)]
        if definitions:
            body[DEFINITIONS] = {
                new: schema if new == name else {**schema, "title": new}
                for (name, new), schema in zip(renamed.items(), definitions.values(), strict=True)
            }
        _rewrite(body, {f"{_POINTER}{name}": f"{_POINTER}{new}" for name, new in renamed.items()})


def _apart(name: str, identities: Mapping[str, str]) -> dict[str, str]:
    """Return a name for each identity: the name itself where there is only one."""
    if len(identities) == 1:
        return dict.fromkeys(identities, name)
    names: dict[str, str] = {}
    # Sorted, so that every worker process gives the same names.
    for identity, long in sorted(identities.items(), key=lambda each: _ADDRESS.sub("", each[0])):
        number, unique = 1, long
        while unique in names.values():
            number += 1
            unique = f"{long}-{number}"
        names[identity] = unique
    return names


def _long_name(schema: Schema, alternative: str) -> str:
    cls, _, _ = schema.get(_CLASS, "").rpartition(":")
    return cls or alternative


def _identity(schema: Schema, definitions: Mapping[str, Schema]) -> str:
    """Write a schema and all that it refers to, so that equal texts mean the same model."""
    parts, waiting = {"": schema}, [schema]
    while waiting:
        for pointer in _strings(waiting.pop()):
            name = pointer.removeprefix(_POINTER)
            if name != pointer and name in definitions and name not in parts:
                parts[name] = definitions[name]
                waiting.append(definitions[name])
    return json.dumps(parts, sort_keys=True, default=str)


def _without_definitions(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != DEFINITIONS}


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)


def _rewrite(value: Any, pointers: Mapping[str, str]) -> None:
    """Replace pointers, and take away the notes of classes."""
    if isinstance(value, dict):
        value.pop(_CLASS, None)
    if isinstance(value, (dict, list)):
        for key, each in list(value.items() if isinstance(value, dict) else enumerate(value)):
            if isinstance(each, str):
                value[key] = pointers.get(each, each)
            else:
                _rewrite(each, pointers)
