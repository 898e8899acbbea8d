"""Brokers that start and stop inside a host's lifespan."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import anyio

from faststream_integrations._faststream import Application, hooks_of, startup_validation
from faststream_integrations.environment import (
    STATE_KEY,
    AnyBroker,
    BrokerOrApp,
    Environment,
    brokers_of,
    check_brokers,
)

__all__ = ("BrokerLifespan", "BrokerUnavailable", "broker_lifespan", "running")

HostLifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]


class BrokerUnavailable(ConnectionError):  # noqa: N818 - the state, as operators call it
    """A broker could not be started; the message names it and its address."""


def broker_lifespan(
    *brokers_or_app: BrokerOrApp,
    lifespan: HostLifespan | None = None,
    startup_timeout: float = 10.0,
) -> BrokerLifespan:
    """Start brokers with a host application, and stop them with it.

    The result is the ``lifespan=`` of FastAPI and Starlette, and an item of Litestar's
    ``lifespan=[...]``::

        app = FastAPI(lifespan=broker_lifespan(broker))

    Every broker is stopped, whatever fails, and it can all be started again in one process.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application, whose lifespan and
            hooks then run too.
        lifespan: A lifespan of your own. It is entered before the brokers start and left after
            they have stopped; the state that it yields is passed on.
        startup_timeout: How many seconds the start of the brokers may take in all.

    Returns:
        A callable that takes the host application and returns an asynchronous context manager. It
        yields the lifespan state: ``broker`` (the first one), ``brokers``, and what `lifespan`
        yields. Source: ASGI specification, "Lifespan Protocol".

    Raises:
        TypeError: No broker was given, or something that is none.
    """
    check_brokers("broker_lifespan", brokers_or_app)
    return BrokerLifespan(brokers_or_app, lifespan, startup_timeout)


class BrokerLifespan:
    """What `broker_lifespan` returns."""

    __slots__ = ("_brokers_or_app", "_lifespan", "_startup_timeout")

    def __init__(
        self,
        brokers_or_app: tuple[BrokerOrApp, ...],
        lifespan: HostLifespan | None,
        startup_timeout: float,
    ) -> None:
        self._brokers_or_app = brokers_or_app
        self._lifespan = lifespan
        self._startup_timeout = startup_timeout

    @asynccontextmanager
    async def __call__(self, host: Any = None) -> AsyncIterator[dict[str, Any]]:
        """Enter the lifespan of `host`, an application of any framework."""
        async with AsyncExitStack() as stack:
            state: dict[str, Any] = {}
            if self._lifespan is not None:
                yielded = await stack.enter_async_context(self._lifespan(host))
                state.update(yielded or {})
            await stack.enter_async_context(
                running(*self._brokers_or_app, startup_timeout=self._startup_timeout)
            )
            environment = Environment.of(*self._brokers_or_app)
            brokers = tuple(brokers_of(*self._brokers_or_app))
            state = {"broker": brokers[0] if brokers else None, "brokers": brokers, **state}
            state[STATE_KEY] = environment
            if (host_state := getattr(host, "state", None)) is not None:
                # For hosts and servers that do not pass the lifespan state on to the requests.
                setattr(host_state, STATE_KEY, environment)
            yield state


@asynccontextmanager
async def running(
    *brokers_or_app: BrokerOrApp,
    startup_timeout: float = 10.0,
    options: Mapping[str, Any] | None = None,
) -> AsyncIterator[None]:
    """Run brokers, or a FastStream application with its hooks, for the length of a block.

    What is opened first is closed last, and whatever fails, the rest is still closed: the lifespan
    of the application, ``on_startup`` with ``after_shutdown``, the brokers, ``after_startup`` with
    ``on_shutdown``. What runs already, in an outer block, goes on until the last block is left.

    Args:
        brokers_or_app: Brokers or applications.
        startup_timeout: How many seconds the start of the brokers may take in all.
        options: What the command line of ``faststream run`` gives to the lifespan and to the
            ``on_startup`` hooks.

    Raises:
        BrokerUnavailable: A broker did not start in time.
    """
    options = options or {}
    async with AsyncExitStack() as stack:
        apps = [target for target in brokers_or_app if isinstance(target, Application)]
        hooks = [hooks_of(app) for app in apps if stack.enter_context(_use(app)).is_first]
        for each in hooks:
            await stack.enter_async_context(each.lifespan(**options))
        for each in hooks:
            _run_at_exit(stack, each.after_shutdown)
            async with startup_validation():
                for hook in each.on_startup:
                    await hook(**options)
        # A hook may have added a broker.
        await _start(stack, brokers_of(*brokers_or_app), startup_timeout)
        for each in hooks:
            _run_at_exit(stack, each.on_shutdown)
            for hook in each.after_startup:
                await hook()
        yield


def _run_at_exit(stack: AsyncExitStack, hooks: tuple[Any, ...] | Any) -> None:
    for hook in reversed(hooks):
        stack.push_async_callback(hook)


async def _start(stack: AsyncExitStack, brokers: list[AnyBroker], seconds: float) -> None:
    broker = None
    try:
        with anyio.fail_after(seconds):
            for broker in brokers:
                use = stack.enter_context(_use(broker))
                # One that fails to start has connections to close all the same.
                stack.push_async_callback(_stop, broker, use)
                if use.is_first:
                    await broker.start()
    except TimeoutError as error:
        msg = f"{describe(broker)} did not start within {seconds:g} seconds."
        raise BrokerUnavailable(msg) from error


class _Use:
    """One of the blocks that run a broker or an application now."""

    def __init__(self, uses: list[_Use]) -> None:
        self._uses = uses
        self.is_first = not uses

    @property
    def is_last(self) -> bool:
        return self._uses == [self]


_uses: WeakKeyDictionary[BrokerOrApp, tuple[AbstractEventLoop, list[_Use]]] = WeakKeyDictionary()


@contextmanager
def _use(target: BrokerOrApp) -> Iterator[_Use]:
    # What ran in another event loop ended with it, whether or not it was stopped.
    loop = asyncio.get_running_loop()
    known = _uses.get(target)
    uses = known[1] if known is not None and known[0] is loop else []
    _uses[target] = (loop, uses)
    use = _Use(uses)
    uses.append(use)
    try:
        yield use
    finally:
        uses.remove(use)


async def _stop(broker: AnyBroker, use: _Use) -> None:
    if use.is_last:
        await broker.stop()


def describe(broker: AnyBroker | None) -> str:
    """Name a broker and its addresses, without credentials."""
    urls = getattr(getattr(broker, "specification", None), "url", ())
    hosts = []
    for url in (urls,) if isinstance(urls, str) else urls:
        parts = urlsplit(url if "//" in url else f"//{url}")
        hosts.append(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".removeprefix("://"))
    return f"{type(broker).__name__} at {', '.join(hosts) or 'an unknown address'}"
