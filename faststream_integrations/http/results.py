"""What a handler returns becomes a response: an ASGI application as it is, all else as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from inspect import Signature
from types import NoneType, UnionType
from typing import Annotated, Any, NoReturn, Union, get_args, get_origin

from fast_depends.library.serializer import SerializerProto
from fast_depends.pydantic import PydanticSerializer
from faststream.exceptions import SetupError
from pydantic import BaseModel
from pydantic_core import to_json
from typing_extensions import Never

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.annotations import missing_names
from faststream_integrations.compiler.validation import make_adapter, make_validator
from faststream_integrations.http.response import AsgiResponse, JSONResponse
from faststream_integrations.types import ASGIApp

__all__ = ("ResultError", "data_of", "make_result_writer")


class ResultError(TypeError):
    """A handler returned what cannot be written by its return annotation: the server's fault."""


def data_of(returns: Any) -> Any:
    """Return what a return annotation says of the data, `EMPTY` where it says nothing of any.

    Responses and `None` are no data: of ``Item | JSONResponse | None`` it is ``Item``.

    Args:
        returns: The return annotation of a handler.
    """
    members = [each for each in _members_of(returns) if not _is_no_data(each)]
    if not members or any(each in (Any, object, Signature.empty) for each in members):
        return EMPTY
    return Union[tuple(members)]  # noqa: UP007 - as many as there are


def _members_of(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            yield from _members_of(each)
    else:
        yield annotation


def _is_no_data(annotation: Any) -> bool:
    nothing: tuple[Any, ...] = (None, NoneType, Never, NoReturn)
    if annotation in nothing:
        return True
    kind: Any = get_origin(annotation) or annotation
    if kind is Annotated:
        return _is_no_data(get_args(annotation)[0])
    if not isinstance(kind, type) or issubclass(kind, BaseModel):
        return False
    # An ASGI application can be called.
    return any("__call__" in vars(base) for base in kind.__mro__)


def make_result_writer(
    returns: Any, serializer: SerializerProto | None, status_code: int | None, where: str
) -> Callable[[Any], ASGIApp]:
    """Make the function that writes what a handler returned and is no ASGI application.

    Args:
        returns: The return annotation. The data is validated by it, as the response model of
            FastAPI does: fields that it does not have are left out.
        serializer: FastStream's serializer.
        status_code: The status; by default 200, and 204 for `None`, which has no body.
        where: The handler, for an error message.

    Raises:
        SetupError: What the annotation names cannot be written as JSON.
    """
    nothing = AsgiResponse(status_code=204 if status_code is None else status_code)
    status = 200 if status_code is None else status_code
    dump = _make_dump(returns, serializer, where)

    def write(value: Any) -> ASGIApp:
        if value is None:
            return nothing
        try:
            body = dump(value)
        except Exception as error:
            msg = (
                f"{where} returned {type(value).__name__}, which cannot be written as JSON by its "
                f"return annotation: {error}"
            )
            raise ResultError(msg) from error
        return JSONResponse(body, status)

    return write


def _make_dump(
    returns: Any, serializer: SerializerProto | None, where: str
) -> Callable[[Any], bytes]:
    if names := list(missing_names(returns)):
        msg = f"the annotation refers to {names[0]}, which does not exist at run time"

        def refuse(value: Any) -> bytes:
            # Without the type nobody knows which fields were to be left out.
            raise LookupError(msg)

        return refuse
    annotation = data_of(returns)
    if serializer is not None and not isinstance(serializer, PydanticSerializer):
        validate = make_validator(Any if annotation is EMPTY else annotation, serializer, where)
        check = validate.python or (lambda value: value)
        return lambda value: serializer.encode(check(value))
    if annotation is EMPTY:
        # JSON knows no NaN and no infinity (RFC 8259, section 6).
        return lambda value: to_json(value, inf_nan_mode="null")
    try:
        adapter = make_adapter(annotation, serializer.config if serializer else None)
    except Exception as error:
        msg = (
            f"{where} returns {annotation!r}, which cannot be written as JSON: {error} Return a "
            "response (an ASGI application), or what pydantic can write: a model, a dataclass, a "
            "TypedDict, a list, a string."
        )
        raise SetupError(msg) from error
    check_python, write = adapter.validator.validate_python, adapter.dump_json

    def dump(value: Any) -> bytes:
        return write(check_python(value, from_attributes=True), by_alias=True)

    return dump
