"""A model as `Query()`, `Header()` or `Cookie()` is the set of its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

from pydantic import AliasChoices, AliasPath, BaseModel
from typing_extensions import NotRequired, ReadOnly, Required, is_typeddict

from faststream_integrations._faststream import EMPTY
from faststream_integrations.compiler.annotations import kinds_of, takes_dict

__all__ = ("ModelField", "fields_of", "is_no_text", "takes_others")


class ModelField(NamedTuple):
    """A field of a model.

    Attributes:
        key: The name by which the model takes the value.
        alias: The name that the model gives it beside its own, empty where it gives none.
        annotation: Its type.
        default: Its default, `EMPTY` where it is required.
        description: What the model says of it.
    """

    key: str
    alias: str
    annotation: Any
    default: Any
    description: str | None


def model_of(annotation: Any) -> type[Any] | None:
    """Return the model that an annotation is, possibly beside `None`."""
    kinds = [kind for kind in kinds_of(annotation) if kind is not NoneType]
    if len(kinds) != 1 or not isinstance(kinds[0], type):
        return None
    [kind] = kinds
    is_model = issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind) or is_typeddict(kind)
    return kind if is_model else None


def fields_of(annotation: Any) -> list[ModelField] | None:
    """Return the fields of a model, dataclass or TypedDict; `None` for any other annotation.

    Raises:
        ValueError: A field is looked for within another one.
    """
    model = model_of(annotation)
    if model is None:
        return None
    if issubclass(model, BaseModel):
        return list(_fields_of_model(model))
    hints = get_type_hints(model, include_extras=True)
    if is_typeddict(model):
        return [
            ModelField(name, "", *_of_typed_dict(hint, name in model.__required_keys__), None)
            for name, hint in hints.items()
        ]
    return [
        ModelField(field.name, "", hints[field.name], _default_of(field), None)
        for field in dataclasses.fields(model)
        if field.init
    ]


def _fields_of_model(model: type[BaseModel]) -> Iterator[ModelField]:
    for name, field in model.model_fields.items():
        alias: Any = field.validation_alias or field.alias
        if isinstance(alias, AliasChoices):
            alias = next(
                (each for each in alias.choices if isinstance(each, str)), alias.choices[0]
            )
        if isinstance(alias, AliasPath):
            msg = f"the field {name!r} of {model.__name__} is looked for within another one"
            raise ValueError(msg)
        annotation: Any = field.annotation
        if field.metadata:
            annotation = Annotated[(annotation, *field.metadata)]
        # A default that is made for each value is not known beforehand.
        default = EMPTY if field.is_required() else field.get_default()
        yield ModelField(alias or name, alias or "", annotation, default, field.description)


def _of_typed_dict(hint: Any, is_required: bool) -> tuple[Any, Any]:
    while get_origin(hint) in (Required, NotRequired, ReadOnly):
        [hint] = get_args(hint)
    return hint, EMPTY if is_required else None


def _default_of(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    return EMPTY if field.default_factory is dataclasses.MISSING else None


def takes_others(annotation: Any) -> bool:
    """Tell whether a model has something to say of names that are none of its fields."""
    model: Any = model_of(annotation)
    if model is None:
        return False
    config: Any = getattr(model, "model_config", getattr(model, "__pydantic_config__", {}))
    return bool(config.get("extra", "ignore") != "ignore")


def is_no_text(annotation: Any) -> bool:
    """Tell whether no text is a value of an annotation, as far as it is a plain type.

    Metadata may turn text into anything: ``Annotated[dict, BeforeValidator(json.loads)]``.
    """
    if get_origin(annotation) is Annotated:
        return False
    kinds = [kind for kind in kinds_of(annotation) if kind is not NoneType]
    return bool(kinds) and all(
        isinstance(kind, type) and kind is not object and takes_dict(kind) for kind in kinds
    )
