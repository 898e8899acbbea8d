"""What the generated functions call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextlib import contextmanager as sync_contextmanager
from functools import partial
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from anyio import CancelScope, CapacityLimiter
from anyio.to_thread import run_sync
from fast_depends.library import CustomField

from faststream_integrations._faststream import ContextRepo
from faststream_integrations.environment import ContextValueError

__all__ = (
    "as_it_is",
    "find_custom",
    "generator_in_thread",
    "generator_inline",
    "in_thread",
    "swallowed",
)


def as_it_is(value: Any) -> Any:
    """Stand in for the validator of what needs no validation."""
    return value


async def find_custom(field: CustomField, context: ContextRepo) -> Any:
    """Let a `CustomField` of the user's find its value."""
    values: Any = field.use(context__=context)
    if type(values) is CoroutineType:
        values = await values
    if field.param_name not in values:
        msg = f"{field!r} gave no value for the parameter {field.param_name!r}."
        raise ContextValueError(msg)
    return values[field.param_name]


async def in_thread(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call a `def` function in a worker thread; a coroutine that it gives runs on the loop."""
    result = await run_sync(partial(function, *args, **kwargs))
    return await result if type(result) is CoroutineType else result


def swallowed(where: str) -> RuntimeError:
    """Build the error for an exception that a generator dependency did not raise again."""
    msg = (
        f"{where} raised, and a generator dependency swallowed the exception; raise it again "
        "after the `yield`."
    )
    return RuntimeError(msg)


@asynccontextmanager
async def generator_inline(
    function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> AsyncIterator[Any]:
    """Run what gives a generator of either kind as a context manager on the event loop."""
    made = function(*args, **kwargs)
    if isinstance(made, AsyncGeneratorType):
        async with asynccontextmanager(lambda: made)() as value:
            yield value
    elif isinstance(made, GeneratorType):
        with sync_contextmanager(lambda: made)() as value:
            yield value
    else:  # a decorator has made something else of it, such as a context manager
        yield made


@asynccontextmanager
async def generator_in_thread(
    function: Callable[..., Any], /, *args: Any, **kwargs: Any
) -> AsyncIterator[Any]:
    """Run a `def` generator as an asynchronous context manager, each step in a worker thread."""
    manager = sync_contextmanager(function)(*args, **kwargs)
    value = await run_sync(manager.__enter__)
    # A limiter of its own: what closes must not wait for threads that wait for it to close.
    limiter = CapacityLimiter(1)
    try:
        yield value
    except BaseException as error:
        leave = partial(manager.__exit__, type(error), error, error.__traceback__)
        with CancelScope(shield=True):
            is_handled = await run_sync(leave, limiter=limiter)
        if not is_handled:
            raise
    else:
        await run_sync(partial(manager.__exit__, None, None, None), limiter=limiter)
