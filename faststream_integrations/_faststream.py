"""The only importer of ``faststream._internal`` and of other private names of FastStream.

Each name is given with the versions of faststream it was seen in; `make test-versions` runs the
tests on the oldest and on the newest of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fast_depends import Provider
from faststream._internal.application import (  # 0.7.0 - 0.7.8
    Application,
    catch_startup_validation_error,
)
from faststream._internal.broker import BrokerUsecase  # 0.7.0 - 0.7.8
from faststream._internal.constants import EMPTY  # 0.7.0 - 0.7.8
from faststream._internal.context import ContextRepo  # 0.7.0 - 0.7.8; the public path is 0.7.1+
from faststream._internal.context import Context as ContextMarker  # 0.7.0 - 0.7.8
from faststream._internal.di import FastDependsConfig  # 0.7.0 - 0.7.8
from faststream._internal.logger import logger as default_logger  # 0.7.0 - 0.7.8
from faststream.asgi import HttpHandler as UpstreamHttpHandler

if TYPE_CHECKING:
    from fast_depends.library.serializer import SerializerProto

__all__ = (
    "EMPTY",
    "Application",
    "BrokerUsecase",
    "ContextMarker",
    "ContextRepo",
    "FastDependsConfig",
    "Hooks",
    "application_logger",
    "broker_config",
    "default_logger",
    "hooks_of",
    "original_function",
    "share_hooks",
    "startup_validation",
)

startup_validation = cast(
    "Callable[[], AbstractAsyncContextManager[None]]", catch_startup_validation_error
)

Hook = Callable[..., Any]

_HOOKS = (
    "_on_startup_calling",
    "_after_startup_calling",
    "_on_shutdown_calling",
    "_after_shutdown_calling",
)


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks and the lifespan of a FastStream application, as it runs them."""

    lifespan: Callable[..., AbstractAsyncContextManager[Any]]
    on_startup: Sequence[Hook]
    after_startup: Sequence[Hook]
    on_shutdown: Sequence[Hook]
    after_shutdown: Sequence[Hook]


def hooks_of(app: Application) -> Hooks:
    """Return the hooks that `app` has now, in the order of the fields of `Hooks`."""
    return Hooks(app.lifespan_context, *(tuple(getattr(app, name)) for name in _HOOKS))


def share_hooks(source: Application, target: Application) -> None:
    """Let `target` run the lifespan and the hooks of `source`, those that it gets later too."""
    target.lifespan_context = source.lifespan_context
    for name in _HOOKS:
        setattr(target, name, getattr(source, name))


def broker_config(broker: BrokerUsecase[Any, Any, Any]) -> FastDependsConfig:
    """Return the context, provider and serializer that a broker's subscribers use."""
    return cast("FastDependsConfig", broker.config.fd_config)


def serializer_of(config: FastDependsConfig) -> SerializerProto | None:
    """Return the serializer of a configuration, FastStream's default one where none is set."""
    return config._serializer


def provider_of(config: FastDependsConfig) -> Provider:
    return config.provider


def application_logger(app: Application) -> Any:
    return app.logger


def original_function(handler: UpstreamHttpHandler) -> Callable[..., Any]:
    """Return the user's function of upstream's `@get` or `@post` handler.

    Upstream keeps it under a mangled name (0.7.0 - 0.7.8); `func` is the fallback, which is the
    function itself as long as no application has wrapped it.
    """
    attributes: Mapping[str, Any] = vars(handler)
    return cast(
        "Callable[..., Any]",
        attributes.get("_HttpHandler__original_func", handler.func),
    )
