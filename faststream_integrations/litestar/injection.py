"""FastStream's context and dependencies in ordinary handlers of Litestar."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from fast_depends.dependencies import Dependant
from fast_depends.library import CustomField
from faststream.exceptions import SetupError
from litestar.connection import ASGIConnection
from litestar.exceptions import ImproperlyConfiguredException
from litestar.handlers import BaseRouteHandler

from faststream_integrations.compiler.calls import HostValue
from faststream_integrations.compiler.signature import read_call
from faststream_integrations.environment import (
    DETACHED,
    STATE_KEY,
    ContextValueError,
)
from faststream_integrations.http.errors import RequestError
from faststream_integrations.http.plan import Plans
from faststream_integrations.http.rules import HttpRules
from faststream_integrations.litestar.requests import (
    HostRequest,
    as_litestar_error,
    log_missing_value,
)
from faststream_integrations.litestar.routes import REQUEST, host_parameters

__all__ = ("check_injected", "inject")

Function = TypeVar("Function", bound=Callable[..., Any])

RULES = HttpRules(gives_scope=False)


def inject(function: Function) -> Function:
    """Let FastStream fill the parameters of a Litestar handler that it owns.

    Those are `Context`, `Logger` and its like, `Depends(...)`, and `Query()` or `Header()` of
    `faststream_integrations.asgi`. All others stay Litestar's, its dependencies included, and
    what a FastStream dependency does not own is filled by Litestar too. It stands below the
    route's decorator, and works on methods of a `Controller` and in `Provide(...)`::

        @get("/orders/{order_id:str}")
        @inject
        async def read(order_id: str, logger: Logger, user: Annotated[User, Depends(user)]): ...

    A `def` function runs in a worker thread, as do `def` dependencies.

    Args:
        function: The function of the handler, or of a provider.

    Returns:
        The function with the signature that Litestar shall see.

    Raises:
        SetupError: A parameter with two sources, or a generator function.
    """
    call = read_call(function, RULES)
    if call.is_generator:
        msg = f"{call.name} is a generator, which @inject does not take; use Depends({call.name})."
        raise SetupError(msg)
    own = inspect.signature(function).parameters
    owned = {a.name for a in call.arguments if not isinstance(a, HostValue)}
    given = host_parameters(
        value for owner, value in call.all(HostValue) if owner is not call and value.required
    )
    connection = "socket" if "socket" in own else "request"
    parameters = {name: p for name, p in own.items() if name not in owned}
    for name, parameter in {**given, "request": REQUEST}.items():
        if name not in parameters and (name != "request" or connection == "request"):
            parameters[name] = parameter
    host_names = frozenset(parameters)
    positional = [p.name for p in parameters.values() if p.kind is not p.KEYWORD_ONLY]
    defaults = {p.name: p.default for p in parameters.values() if p.default is not p.empty}
    plans = Plans(call, RULES, sync_to_thread=True, host_values=host_names, is_handler=False)

    @wraps(function)
    async def injected(*args: Any, **kwargs: Any) -> Any:
        values = kwargs
        if args or defaults:
            values = {**defaults, **dict(zip(positional, args, strict=False)), **kwargs}
        caller: ASGIConnection[Any, Any, Any, Any] = values[connection]
        environment = caller.app.state.get(STATE_KEY, DETACHED)
        plan = plans.of(environment)
        if environment.provider.overrides:
            plan = plan.with_overrides(environment.overrides(None))
        try:
            return await plan.run(HostRequest(caller, environment), environment, values)
        except RequestError as error:
            raise as_litestar_error(error) from error
        except ContextValueError as error:
            log_missing_value(environment, error)
            raise

    ordered = sorted(parameters.values(), key=lambda p: p.kind)
    signature = inspect.signature(function).replace(parameters=ordered)
    wrapper: Any = injected
    wrapper.__signature__ = signature
    wrapper.__annotations__ = {p.name: p.annotation for p in ordered if p.annotation is not p.empty}
    if "return" in function.__annotations__:
        wrapper.__annotations__["return"] = function.__annotations__["return"]
    return cast("Function", wrapper)


def check_injected(handler: BaseRouteHandler) -> None:
    """Refuse a route whose function asks for what only `inject` can give.

    Litestar takes a parameter that it does not know for one of the query.

    Raises:
        ImproperlyConfiguredException: `@inject` is missing; the message says where to write it.
    """
    provided = handler.resolve_dependencies()
    signatures = {str(handler): handler.parsed_fn_signature} | {
        f"the provider of {key!r}": provider.parsed_fn_signature
        for key, provider in provided.items()
    }
    for where, signature in signatures.items():
        for name, field in signature.parameters.items():
            markers = (*field.metadata, field.default)
            if name not in provided and any(
                isinstance(m, (CustomField, Dependant)) for m in markers
            ):
                msg = (
                    f"The parameter {name!r} of {where} is FastStream's to fill. Write @inject of "
                    "faststream_integrations.litestar between the function and the decorator of "
                    "its route, or Provide(inject(...)) for a provider."
                )
                raise ImproperlyConfiguredException(msg)
