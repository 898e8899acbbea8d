"""Annotations: what they refer to, in the module that defines the function, and what they say."""

from __future__ import annotations

import builtins
import dataclasses
import functools
import inspect
import re
import sys
import typing
from collections import abc
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType, UnionType
from typing import Annotated, Any, ForwardRef, Union, get_args, get_origin

import typing_extensions
from faststream.exceptions import SetupError
from typing_extensions import is_typeddict

__all__ = (
    "Missing",
    "Signature",
    "is_collection",
    "is_missing",
    "kinds_of",
    "missing_names",
    "read_signature",
    "signature_of",
    "takes_dict",
)

# typing_extensions has a class of its own in Python 3.12 and 3.13.
_ALIASES: tuple[Any, ...] = tuple(
    {
        kind
        for module in (typing, typing_extensions)
        if isinstance(kind := getattr(module, "TypeAliasType", None), type)
    }
)


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a function, its annotations resolved.

    Attributes:
        parameters: The parameters; where an annotation refers to what does not exist, `Missing`
            classes stand in for that.
        returns: The return annotation, likewise; `inspect.Signature.empty` where there is none.
        missing: The names that do not exist, by the names of the parameters (``return`` for the
            return annotation) whose annotations refer to them.
        hidden: The parameters whose annotations refer to what does not exist elsewhere than in
            their type: what they say beside it, as a marker may, is not known.
    """

    parameters: tuple[inspect.Parameter, ...]
    returns: Any
    missing: Mapping[str, tuple[str, ...]]
    hidden: frozenset[str]


class Missing(type):
    """The class of the classes that stand in for what an annotation names and does not exist."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Missing(f"{cls.__name__}.{name}", (), {})

    def __getitem__(cls, item: Any) -> Any:
        return cls

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls


class Names(dict[str, Any]):
    """The names that an annotation finds, with a stand-in for each that does not exist."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope.local)
        self._spaces = (scope.module, vars(builtins))
        self.missing: list[str] = []

    def __missing__(self, name: str) -> Any:
        for space in self._spaces:
            if name in space:
                return space[name]
        self.missing.append(name)
        return Missing(name, (), {})


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the names of an annotation are looked up: as Python itself would, in what encloses it.

    Attributes:
        module: The names of the module that defines the function.
        local: The names of the functions around it, and its type parameters.
    """

    module: dict[str, Any]
    local: Mapping[str, Any]


def read_signature(function: Callable[..., Any]) -> Signature:
    """Read a signature and resolve its annotations where the function is defined.

    Postponed annotations are looked up in the module of the function and in the functions that
    enclose it, never in the names of whoever asks.

    Args:
        function: A function, method, class, `functools.partial` or callable object, decorated or
            not.

    Raises:
        SetupError: It has no signature, as some classes that are written in C.
    """
    try:
        signature = signature_of(function)
    except ValueError as error:
        msg = f"{function!r} does not say what it takes; write a function that calls it."
        raise SetupError(msg) from error
    origin = origin_of(function)
    # A class may have each of its fields of another module.
    scope = None if isinstance(origin, type) else scope_of(origin, "")
    missing: dict[str, tuple[str, ...]] = {}
    hidden = set()
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.annotation is parameter.empty:
            parameters.append(parameter)
            continue
        annotation, names = resolve(parameter.annotation, scope or scope_of(origin, parameter.name))
        if names:
            missing[parameter.name] = tuple(names)
            if set(names) - set(missing_names(_type_of(annotation))):
                hidden.add(parameter.name)
        parameters.append(parameter.replace(annotation=annotation))
    returns = signature.return_annotation
    if returns is not signature.empty:
        returns, names = resolve(returns, scope or scope_of(origin, "return"))
        if names:
            missing["return"] = tuple(names)
    return Signature(tuple(parameters), returns, missing, frozenset(hidden))


def signature_of(function: Callable[..., Any], **options: Any) -> inspect.Signature:
    """Return what `inspect.signature` does, whatever names the annotations refer to.

    Raises:
        ValueError: It has no signature.
    """
    if sys.version_info >= (3, 14):  # there, the other formats raise for a name that is missing
        import annotationlib

        options["annotation_format"] = annotationlib.Format.FORWARDREF
    return inspect.signature(function, **options)


def origin_of(function: Callable[..., Any]) -> Any:
    """Return the function whose signature is that of a callable, a class where it has none."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif (wrapped := getattr(function, "__wrapped__", None)) is not None:
            function = wrapped
        elif isinstance(function, MethodType):
            function = function.__func__
        elif isinstance(function, FunctionType):
            return function
        elif isinstance(function, type):
            constructor = _constructor_of(function)
            if constructor is None:
                return function
            function = constructor
        elif isinstance(call := getattr(type(function), "__call__", None), FunctionType):  # noqa: B004
            function = call
        else:
            return function


def _constructor_of(cls: type[Any]) -> Any:
    """Return what `inspect.signature` reads of a class, `None` where the class has fields."""
    if dataclasses.is_dataclass(cls):
        for base in cls.__mro__:
            if "__init__" in vars(base):
                if not dataclasses.is_dataclass(base) or not _is_generated(base):
                    return vars(base)["__init__"]
                return None
    for base in type(cls).__mro__:
        if isinstance(call := vars(base).get("__call__"), FunctionType):
            return call
    for base in cls.__mro__:
        for name in ("__new__", "__init__"):
            method = vars(base).get(name)
            method = getattr(method, "__func__", method)  # `__new__` is static
            if isinstance(method, FunctionType):
                return method
    return None


def _is_generated(cls: type[Any]) -> bool:
    """Tell whether `dataclasses` has written the `__init__` of a class."""
    init = vars(cls)["__init__"]
    return isinstance(init, FunctionType) and init.__code__.co_filename == "<string>"


def scope_of(origin: Any, parameter: str) -> Scope:
    """Return where the annotation of a parameter is looked up."""
    if isinstance(origin, FunctionType):
        local = {**_enclosing_names(origin), **_type_parameters(origin)}
        return Scope(origin.__globals__, local)
    if isinstance(origin, type):
        # A field is looked up in the module of the class that has it.
        cls = next((base for base in origin.__mro__ if parameter in _fields_of(base)), origin)
        return Scope(_module_of(cls), {**_names_around(cls), **_type_parameters(cls)})
    return Scope(_module_of(type(origin)), {})


def _fields_of(owner: Any) -> Mapping[str, Any]:
    if isinstance(owner, FunctionType):
        try:
            return owner.__annotations__
        except NameError:  # from Python 3.14 on, what is not postponed finds its names by itself
            return {}
    return vars(owner).get("__annotations__") or (
        getattr(owner, "__annotations__", {}) if sys.version_info >= (3, 14) else {}
    )


def _module_of(cls: type[Any]) -> dict[str, Any]:
    module = sys.modules.get(cls.__module__)
    return {} if module is None else vars(module)


def _type_parameters(owner: Any) -> dict[str, Any]:
    return {each.__name__: each for each in getattr(owner, "__type_params__", ())}


def _enclosing_names(function: FunctionType) -> dict[str, Any]:
    """Return the names of the functions that a function is defined in.

    They are known while those functions run, which they do while a decorator is applied; of what
    the function itself uses, its closure knows for ever.
    """
    names: dict[str, Any] = {}
    if "<locals>" in function.__qualname__:
        for frame in _frames():
            if (
                frame.f_globals is function.__globals__
                and frame.f_locals is not frame.f_globals
                and _encloses(frame.f_code, function.__code__)
            ):
                names = {**frame.f_locals, **names}
        names = _with_kept_names(function, names)
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            names[name] = cell.cell_contents
        except ValueError:  # noqa: PERF203 - nothing is in it yet
            continue
    return names


def _names_around(cls: type[Any]) -> dict[str, Any]:
    """Return the names of the function that a class is defined in, while that runs."""
    if "<locals>" not in cls.__qualname__:
        return {}
    for frame in _frames():
        if frame.f_locals.get(cls.__name__) is cls and frame.f_globals is _module_of(cls):
            return _with_kept_names(cls, frame.f_locals)
    return _with_kept_names(cls, {})


_KEPT = "__names_of_annotations__"


def _with_kept_names(owner: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Keep the local names that the annotations of a function or class mention, and add them.

    It is read again when its application starts, and for overrides: what encloses it has ended
    then. They are attributes of their own function, so that they live no longer than it does.
    """
    kept: dict[str, Any] = vars(owner).get(_KEPT) or {}
    found = {
        word: names[word]
        for annotation in _fields_of(owner).values()
        for text in _texts_of(annotation)
        for word in _WORD.findall(text)
        if word in names and word not in kept
    }
    if found:
        kept = {**kept, **found}
        with suppress(AttributeError, TypeError):
            setattr(owner, _KEPT, kept)
    return {**names, **kept}


_WORD = re.compile(r"\w+")


def _texts_of(annotation: Any) -> Iterator[str]:
    """Go through what of an annotation is still to be resolved."""
    if isinstance(annotation, str):
        yield annotation
    elif isinstance(annotation, ForwardRef):
        yield annotation.__forward_arg__
    else:
        for argument in get_args(annotation):
            yield from _texts_of(argument)


def _frames() -> Iterator[Any]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _encloses(outer: CodeType, inner: CodeType) -> bool:
    return any(
        each is inner or _encloses(each, inner)
        for each in outer.co_consts
        if isinstance(each, CodeType)
    )


def resolve(annotation: Any, scope: Scope) -> tuple[Any, list[str]]:
    """Resolve an annotation as far as its names exist.

    Returns:
        The annotation, with `Missing` classes in the place of what does not exist, and the names
        of that.
    """
    if isinstance(annotation, ForwardRef):
        # From Python 3.14 on, what is no name may be in it under a name of its own.
        scope = Scope(scope.module, {**scope.local, **(_extra_names(annotation) or {})})
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        names = Names(scope)
        try:
            annotation = eval(annotation, scope.module, names)  # noqa: S307 - the module's own text
        except Exception:
            return Missing(annotation, (), {}), [annotation]
        if names.missing:
            return annotation, names.missing
        return resolve(annotation, scope)
    try:
        if isinstance(annotation, _ALIASES):
            return resolve(annotation.__value__, scope)
        if isinstance(origin := get_origin(annotation), _ALIASES):
            return resolve(origin.__value__[get_args(annotation)], scope)
    except NameError as error:
        name = error.name or str(annotation)
        return Missing(name, (), {}), [name]
    if origin is Annotated:
        written, *metadata = get_args(annotation)
        inner, missing = resolve(written, scope)
        return annotation if inner is written else Annotated[(inner, *metadata)], missing
    return _resolve_within(annotation, scope)


def _resolve_within(annotation: Any, scope: Scope) -> tuple[Any, list[str]]:
    """Resolve the references within a type, as in ``list["Order"]``."""
    if isinstance(annotation, type) and get_origin(annotation) is None:  # a class as it is
        return annotation, []

    def holder() -> None: ...

    holder.__annotations__ = {"value": annotation}
    try:
        hints = typing.get_type_hints(
            holder, globalns=scope.module, localns=dict(scope.local), include_extras=True
        )
    except NameError as error:
        return Missing(str(annotation), (), {}), [error.name or str(annotation)]
    except Exception:  # no type at all, which may be nobody's business
        return annotation, []
    return hints["value"], []


def _extra_names(reference: ForwardRef) -> Mapping[str, Any] | None:
    return getattr(reference, "__extra_names__", None)


def _type_of(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def missing_names(annotation: Any) -> Iterator[str]:
    """Go through the names that do not exist in an annotation, and the modules of them."""
    if isinstance(annotation, Missing):
        yield annotation.__name__
        yield annotation.__name__.partition(".")[0]
    for argument in get_args(annotation):
        yield from missing_names(argument)


def is_missing(annotation: Any) -> bool:
    """Tell whether an annotation refers to what does not exist."""
    return any(True for _ in missing_names(annotation))


def takes_dict(annotation: Any) -> bool:
    """Tell whether an annotation takes a dict, possibly as one type of several."""
    return any(
        isinstance(kind, type) and (is_typeddict(kind) or issubclass(dict, kind))
        for kind in kinds_of(annotation)
    )


def is_collection(annotation: Any) -> bool:
    """Tell whether an annotation takes several values: a list, a tuple, a set, or one of them."""
    return any(
        _is(kind, abc.Collection) and not _is(kind, (str, bytes, bytearray, abc.Mapping))
        for kind in kinds_of(annotation)
    )


def _is(kind: Any, of: type[Any] | tuple[type[Any], ...]) -> bool:
    return isinstance(kind, type) and issubclass(kind, of)


def kinds_of(annotation: Any) -> list[Any]:
    """Return the classes that an annotation is made of, without their arguments."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return kinds_of(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [kind for argument in get_args(annotation) for kind in kinds_of(argument)]
    return [origin or annotation]
