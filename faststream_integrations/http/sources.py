"""The parts of a request that a parameter can come from, one class each.

A source writes the lines that read it: once for the handler, and once more, from the same
definition, for the list of all errors. It names its place in an error, and the documents of the
hosts go by it. A new source is one class here and one marker in `params`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.annotations import is_collection
from faststream_integrations.compiler.calls import Argument
from faststream_integrations.http.models import fields_of, is_no_text, takes_others
from faststream_integrations.http.request import decode_query

if TYPE_CHECKING:
    from collections.abc import Callable

    from faststream_integrations.compiler.validation import Validator
    from faststream_integrations.http.plan import RequestWriter

__all__ = (
    "SOURCES",
    "Body",
    "Cookie",
    "Field",
    "Header",
    "Path",
    "Query",
    "Source",
    "embeds",
    "parts_of",
    "single_fields",
)


class Source:
    """A part of a request.

    Attributes:
        name: What ``loc`` in an error calls it, and OpenAPI.
        prefix: What upstream's markers have before the name.
        repeats: Whether a name can have several values.
        everything: The attribute of a request that has all of it.
        is_parameter: Whether OpenAPI counts it among the parameters; the body is none.
    """

    name: str
    prefix: str
    repeats = False
    everything: str
    is_parameter = True

    def alias(self, name: str, parameter: str) -> str:
        """Return the name in the request.

        Args:
            name: What the marker says, empty where it says nothing.
            parameter: The name of the Python parameter.

        Raises:
            ValueError: No request can have the name; the message says why.
        """
        return name or parameter

    def loc(self, alias: str) -> tuple[str, ...]:
        """Return the place of a value in an error."""
        return (self.name, alias)

    def validate(self, validator: Validator) -> Callable[[Any], Any] | None:
        """Choose how a value as it came is validated; `None` where it is as good as it came."""
        return validator.python

    def write_ahead(self, writer: RequestWriter, fields: Sequence[Field]) -> None:
        """Write the lines that read all the fields of this source, before anything else runs."""
        raise NotImplementedError

    def write_value(self, writer: RequestWriter, field: Field) -> str:
        """Write the lines that read one field where it is wanted; return its variable."""
        return writer.raw[field]

    def write_field(self, writer: RequestWriter, field: Field) -> str:
        """Write the lines that put a model's values together, or those of `write_value`."""
        if not field.parts:
            return self.write_value(writer, field)
        model = writer.new("model", field.name)
        if field.takes_others:
            writer.give(others=others)
            known = writer.constant("known", field.name, {part.alias for part in field.parts})
            writer.line(f"{model} = others(request.{self.everything}, {known})")
        else:
            writer.line(f"{model} = {{}}")
        for part in field.parts:
            raw = self.write_value(writer, part)
            writer.line(f"if {raw}:" if part.multiple else f"if {raw} is not None:")
            writer.line(f"    {model}[{part.name!r}] = {raw}")
        return model

    def absent(self, writer: RequestWriter, field: Field, raw: str) -> str | None:
        """Return the expression that tells whether the request lacks a value.

        `None` where validation tells.
        """
        if field.parts:
            return None if field.required else f"not {raw}"
        return f"not {raw}" if field.multiple else f"{raw} is None"

    def __repr__(self) -> str:
        return type(self).__name__


class Query(Source):
    """The query string (WHATWG URL, ``application/x-www-form-urlencoded`` parsing)."""

    name = "query"
    prefix = "request.query_params."
    repeats = True
    everything = "query_params"

    def write_ahead(self, writer: RequestWriter, fields: Sequence[Field]) -> None:
        writer.give(decode_query=decode_query, unquote_plus=unquote_plus)
        groups = writer.start_reading(fields)
        writer.line('query_string = scope.get("query_string")')
        with writer.block("if query_string:"):
            writer.line("text = decode_query(query_string)")
            writer.line('encoded = "%" in text or "+" in text')
            with writer.block('for part in text.split("&"):'):
                writer.line('name, _, value = part.partition("=")')
                with writer.block("if encoded:"):
                    writer.line("name = unquote_plus(name)")
                    writer.line("value = unquote_plus(value)")
                for keyword, (alias, group) in zip(_if_elif(), groups.items(), strict=False):
                    with writer.block(f"{keyword} name == {alias!r}:"):
                        for field in group:
                            raw = writer.raw[field]
                            writer.line(
                                f"{raw}.append(value)" if field.multiple else f"{raw} = value"
                            )


class Header(Source):
    """The headers; names are case-insensitive (RFC 9110, section 5.1)."""

    name = "header"
    prefix = "request.headers."
    repeats = True
    everything = "headers"

    def alias(self, name: str, parameter: str) -> str:
        return check_token("header", (name or parameter.replace("_", "-")).lower())

    def write_ahead(self, writer: RequestWriter, fields: Sequence[Field]) -> None:
        writer.give(joined=joined)
        groups = writer.start_reading(fields)
        writer.line("again = {}")
        with writer.block('for name, value in scope["headers"]:'):
            for keyword, (alias, group) in zip(_if_elif(), groups.items(), strict=False):
                with writer.block(f"{keyword} name == {alias.encode('latin-1')!r}:"):
                    for field in group:
                        raw = writer.raw[field]
                        if field.multiple:
                            writer.line(f'{raw}.append(value.decode("latin-1"))')
                        else:
                            writer.line(f"if {raw} is None:")
                            writer.line(f'    {raw} = value.decode("latin-1")')
                            writer.line("else:")
                            writer.line(f'    again.setdefault("{raw}", []).append(value)')
        for raw in dict.fromkeys(writer.raw[field] for field in fields if not field.multiple):
            writer.line(f'if "{raw}" in again:')
            writer.line(f'    {raw} = joined({raw}, again["{raw}"])')


class Path(Source):
    """The parameters of the path."""

    name = "path"
    prefix = "request.path_params."
    everything = "path_params"

    def write_ahead(self, writer: RequestWriter, fields: Sequence[Field]) -> None:
        writer.line('path_params = scope.get("path_params") or {}')
        for field in fields:
            writer.line(f"{writer.start(field)} = path_params.get({field.alias!r})")


class Cookie(Source):
    """The cookies (RFC 6265, section 5.4)."""

    name = "cookie"
    prefix = "request.cookies."
    everything = "cookies"

    def alias(self, name: str, parameter: str) -> str:
        return check_token("cookie", name or parameter)

    def write_ahead(self, writer: RequestWriter, fields: Sequence[Field]) -> None:
        writer.line("cookies = request.cookies")
        for field in fields:
            writer.line(f"{writer.start(field)} = cookies.get({field.alias!r})")


class Body(Source):
    """The JSON body (RFC 8259), which is read after the dependencies have run."""

    name = "body"
    prefix = "request.body."
    is_parameter = False

    def loc(self, alias: str) -> tuple[str, ...]:
        return (self.name,)

    def validate(self, validator: Validator) -> Callable[[Any], Any] | None:
        return validator.json

    def write_ahead(self, writer: RequestWriter, fields: Sequence[Field]) -> None:
        pass

    def write_value(self, writer: RequestWriter, field: Field) -> str:
        writer.line("body = await request.json_body()")
        return "body"

    def absent(self, writer: RequestWriter, field: Field, raw: str) -> str | None:
        return None if writer.embeds else f"not {raw}"


SOURCES: Sequence[Source] = (Header(), Query(), Path(), Cookie(), Body())
"""In the order in which they are read."""


@dataclass(frozen=True, slots=True, eq=False)
class Field(Argument):
    """A value that is read from the request.

    Attributes:
        source: The part of the request.
        alias: Its name there.
        annotation: Its type.
        default: Its default, `EMPTY` where it is required.
        description: For the documents.
        embed: Whether it is a field of the body, and not the whole of it.
        parts: The fields of a model, whose `name` is the key in the model.
    """

    source: Source
    alias: str
    annotation: Any
    default: Any
    description: str | None = None
    embed: bool = False
    parts: tuple[Field, ...] = ()

    @property
    def required(self) -> bool:
        return self.default is EMPTY

    @property
    def multiple(self) -> bool:
        """Whether all the values of the name are taken, not one."""
        return self.source.repeats and is_collection(self.annotation)

    @property
    def loc(self) -> tuple[str, ...]:
        """The place of the value in an error."""
        return (self.source.name,) if self.parts else self.source.loc(self.alias)

    @property
    def takes_others(self) -> bool:
        """Whether a model has something to say of names that are none of its fields."""
        return bool(self.parts) and takes_others(self.annotation)


def parts_of(annotation: Any, source: Source) -> tuple[Field, ...]:
    """Return what a model reads of a source, nothing where the annotation is no model.

    Raises:
        ValueError: No request can have what is wanted; the message says why.
    """
    if source.name not in ("query", "header", "cookie"):
        return ()
    fields = fields_of(annotation)
    if fields is None and is_no_text(annotation):
        msg = f"a {source.name} is text, and {annotation!r} is none; take a model with its fields"
        raise ValueError(msg)
    return tuple(
        Field(
            field.key,
            True,
            source,
            source.alias(field.alias, field.key),
            field.annotation,
            field.default,
            field.description,
        )
        for field in fields or ()
    )


def embeds(fields: Iterable[Field]) -> bool:
    """Tell whether the values of the body are fields of it: there are several, or one says so."""
    bodies = [field for field in fields if not field.source.is_parameter]
    return any(field.embed for field in bodies) or len({field.alias for field in bodies}) > 1


def single_fields(fields: Iterable[Field]) -> list[Field]:
    """Return what is read, for the documents: each name once, the fields of models one by one.

    Of several values of one name, a required one counts.
    """
    fields = list(fields)
    found: dict[tuple[str, str], Field] = {}
    for field in [single for each in fields for single in each.parts or (each,)]:
        key = (
            field.source.name,
            field.alias if field.source.is_parameter or embeds(fields) else "",
        )
        if key not in found or (field.required and not found[key].required):
            found[key] = field
    return list(found.values())


def others(values: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Return the values of the names that a model does not have, the last of several."""
    return {
        name: value[-1] if isinstance(value, list) else value
        for name, value in values.items()
        if name not in known
    }


def check_token(what: str, name: str) -> str:
    """Refuse a name that no client can send (RFC 9110, section 5.6.2; RFC 6265, section 4.1.1)."""
    if _TOKEN.fullmatch(name) is None:
        msg = (
            f"{name!r} is no name of a {what}: those have letters and digits of ASCII and "
            "!#$%&'*+-.^_`|~ only."
        )
        raise ValueError(msg)
    return name


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def joined(first: str, rest: list[bytes]) -> str:
    """Join the values of a header that repeats (RFC 9110, section 5.2)."""
    return ", ".join([first, *(value.decode("latin-1") for value in rest)])


def _if_elif() -> Iterator[str]:
    yield "if"
    while True:
        yield "elif"
