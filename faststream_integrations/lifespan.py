"""Brokers that start and stop inside a host's lifespan."""

from __future__ import annotations

import asyncio
import signal
import threading
from asyncio import AbstractEventLoop
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import anyio

from faststream_integrations._faststream import (
    Application,
    default_logger,
    hooks_of,
    startup_validation,
)
from faststream_integrations.environment import (
    STATE_KEY,
    AnyBroker,
    BrokerOrApp,
    Environment,
    brokers_of,
    check_brokers,
)
from faststream_integrations.supervisor import BrokerUnavailable, Supervisor, describe

__all__ = (
    "BrokerLifespan",
    "BrokerUnavailable",
    "Limits",
    "OnUnavailable",
    "broker_lifespan",
    "describe",
    "run_with_limits",
    "running",
)

HostLifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]

OnUnavailable = Literal["fail", "retry"]
"""What a broker that cannot be reached does to the start of its application."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How brokers start and stop; the arguments of `broker_lifespan`."""

    startup_timeout: float = 10.0
    shutdown_timeout: float = 15.0
    on_unavailable: OnUnavailable = "fail"
    shutdown_delay: float = 0.0

    def __post_init__(self) -> None:
        if self.on_unavailable not in ("fail", "retry"):
            msg = f"on_unavailable must be 'fail' or 'retry', got {self.on_unavailable!r}."
            raise ValueError(msg)


def broker_lifespan(
    *brokers_or_app: BrokerOrApp,
    lifespan: HostLifespan | None = None,
    startup_timeout: float = 10.0,
    shutdown_timeout: float = 15.0,
    on_unavailable: OnUnavailable = "fail",
    shutdown_delay: float = 0.0,
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
        startup_timeout: How many seconds the start of the brokers may take in all; with
            ``on_unavailable="retry"``, each attempt of each broker.
        shutdown_timeout: How many seconds the stop may take: messages that were received are
            handled, then the connections are closed, at the deadline by force.
        on_unavailable: What a broker does that cannot be reached: ``"fail"`` fails the startup,
            ``"retry"`` lets the application start at once and connects in the background, while
            `make_readiness_asgi` answers 503.
        shutdown_delay: How many seconds SIGTERM is kept from the server, while readiness is 503
            already, so that a load balancer sends its requests elsewhere before the listeners
            close. Works for uvicorn and for gunicorn's UvicornWorker.

    Returns:
        A callable that takes the host application and returns an asynchronous context manager. It
        yields the lifespan state: ``broker`` (the first one), ``brokers``, and what `lifespan`
        yields. Source: ASGI specification, "Lifespan Protocol".

    Raises:
        TypeError: No broker was given, or something that is none.
        ValueError: `on_unavailable` is something else.
    """
    check_brokers("broker_lifespan", brokers_or_app)
    limits = Limits(startup_timeout, shutdown_timeout, on_unavailable, shutdown_delay)
    return BrokerLifespan(brokers_or_app, lifespan, limits)


class BrokerLifespan:
    """What `broker_lifespan` returns."""

    __slots__ = ("_brokers_or_app", "_lifespan", "_limits")

    def __init__(
        self,
        brokers_or_app: tuple[BrokerOrApp, ...],
        lifespan: HostLifespan | None,
        limits: Limits,
    ) -> None:
        self._brokers_or_app = brokers_or_app
        self._lifespan = lifespan
        self._limits = limits

    @asynccontextmanager
    async def __call__(self, host: Any = None) -> AsyncIterator[dict[str, Any]]:
        """Enter the lifespan of `host`, an application of any framework."""
        async with AsyncExitStack() as stack:
            state: dict[str, Any] = {}
            if self._lifespan is not None:
                yielded = await stack.enter_async_context(self._lifespan(host))
                state.update(yielded or {})
            await stack.enter_async_context(run_with_limits(self._brokers_or_app, self._limits, {}))
            environment = Environment.of(*self._brokers_or_app)
            brokers = tuple(brokers_of(*self._brokers_or_app))
            state = {"broker": brokers[0] if brokers else None, "brokers": brokers, **state}
            state[STATE_KEY] = environment
            if (host_state := getattr(host, "state", None)) is not None:
                # For hosts and servers that do not pass the lifespan state on to the requests.
                setattr(host_state, STATE_KEY, environment)
            yield state


def running(
    *brokers_or_app: BrokerOrApp,
    startup_timeout: float = 10.0,
    shutdown_timeout: float = 15.0,
    on_unavailable: OnUnavailable = "fail",
    shutdown_delay: float = 0.0,
    options: Mapping[str, Any] | None = None,
) -> AbstractAsyncContextManager[None]:
    """Run brokers, or a FastStream application with its hooks, for the length of a block.

    What is opened first is closed last, and whatever fails, the rest is still closed: the lifespan
    of the application, ``on_startup`` with ``after_shutdown``, the brokers, ``after_startup`` with
    ``on_shutdown``. What runs already, in an outer block, goes on until the last block is left.

    Args:
        brokers_or_app: Brokers or applications.
        startup_timeout: As for `broker_lifespan`.
        shutdown_timeout: As for `broker_lifespan`.
        on_unavailable: As for `broker_lifespan`. With ``"retry"``, ``after_startup`` hooks run in
            the background too, once every broker has started.
        shutdown_delay: As for `broker_lifespan`.
        options: What the command line of ``faststream run`` gives to the lifespan and to the
            ``on_startup`` hooks.

    Raises:
        BrokerUnavailable: A broker did not start in time.
        ValueError: `on_unavailable` is something else.
    """
    limits = Limits(startup_timeout, shutdown_timeout, on_unavailable, shutdown_delay)
    return run_with_limits(brokers_or_app, limits, options or {})


@asynccontextmanager
async def run_with_limits(
    brokers_or_app: Sequence[BrokerOrApp], limits: Limits, options: Mapping[str, Any]
) -> AsyncIterator[None]:
    """Do what `running` does, with its limits in one object."""
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
        # A hook may have added a broker, and one may be added while the application runs.
        await stack.enter_async_context(_started(lambda: brokers_of(*brokers_or_app), limits))
        for each in hooks:
            _run_at_exit(stack, each.on_shutdown)
        after_startup = [hook for each in hooks for hook in each.after_startup]
        if limits.on_unavailable == "retry":
            await stack.enter_async_context(
                _in_background(_when_started(brokers_of(*brokers_or_app), after_startup))
            )
        else:
            for hook in after_startup:
                await hook()
        stack.enter_context(
            _announcing_stop(lambda: brokers_of(*brokers_or_app), limits.shutdown_delay)
        )
        yield


def _run_at_exit(stack: AsyncExitStack, hooks: Sequence[Any]) -> None:
    for hook in reversed(hooks):
        stack.push_async_callback(hook)


@asynccontextmanager
async def _started(find: Callable[[], list[AnyBroker]], limits: Limits) -> AsyncIterator[None]:
    uses: dict[Supervisor, _Use] = {}
    deadline = anyio.current_time() + limits.startup_timeout
    with ExitStack() as stack:
        try:
            for broker in find():
                supervisor = Supervisor.of(broker)
                use = uses[supervisor] = stack.enter_context(_use(broker))
                if not use.is_first:
                    continue
                if limits.on_unavailable == "retry" and not supervisor.patched:
                    supervisor.start_in_background(limits.startup_timeout)
                else:
                    await supervisor.start(max(deadline - anyio.current_time(), 0.001))
                    supervisor.watch()
            yield
        finally:
            late = [each for each in map(Supervisor.of, find()) if each not in uses]
            last = [supervisor for supervisor, use in uses.items() if use.is_last]
            await _stop(last + late, limits.shutdown_timeout)


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


async def _when_started(brokers: list[AnyBroker], hooks: Sequence[Any]) -> None:
    if not hooks:
        return
    supervisors = [Supervisor.of(broker) for broker in brokers]
    for supervisor in supervisors:
        await supervisor.started.wait()
    try:
        for hook in hooks:
            await hook()
    except Exception as error:
        default_logger.exception("An after_startup hook failed; the application is not ready.")
        for supervisor in supervisors:
            supervisor.fail(f"an after_startup hook failed: {type(error).__name__}")


@asynccontextmanager
async def _in_background(work: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=1.0)


async def _stop(started: list[Supervisor], seconds: float) -> None:
    """Drain all brokers, then close them, each whatever happens to the others."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    errors: list[BaseException] = []

    async def stop(supervisor: Supervisor) -> None:
        try:
            await supervisor.stop(deadline - loop.time())
        except Exception as error:
            errors.append(error)

    supervisors = started[::-1]
    with anyio.CancelScope(shield=True):
        try:
            await asyncio.gather(*(each.quiesce() for each in supervisors))
            supervisors = [each for each in supervisors if each.stoppable]
            # A handler may publish to another broker, so all are drained before one is closed.
            drain = max(deadline - min(2.0, seconds / 4) - loop.time(), 0.0)
            await asyncio.gather(*(each.drain(drain) for each in supervisors))
        except asyncio.CancelledError:
            deadline = loop.time()
            raise
        finally:
            await asyncio.gather(*(stop(each) for each in supervisors))
    for error in errors[1:]:
        default_logger.error("A broker failed to stop.", exc_info=error)
    if errors:
        raise errors[0]


@contextmanager
def _announcing_stop(find: Callable[[], list[AnyBroker]], delay: float) -> Iterator[None]:
    """Turn readiness to 503 at SIGTERM, and pass the signal on to the server after a delay.

    A server closes its listeners before it ends the lifespan, which would be too late to tell.
    """
    previous = signal.getsignal(signal.SIGTERM)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    loop = asyncio.get_running_loop()
    passed_on = False

    def pass_on(number: int, frame: Any = None) -> None:
        nonlocal passed_on
        passed_on = True
        previous(number, frame)

    def on_sigterm(number: int, frame: Any) -> None:
        first = not any(each.announced for each in supervisors())
        for supervisor in supervisors():
            supervisor.announce_stop()
        if delay and first and not passed_on:
            loop.call_soon_threadsafe(lambda: loop.call_later(delay, pass_on, number))
        else:
            pass_on(number, frame)

    def supervisors() -> list[Supervisor]:
        return [Supervisor.of(broker) for broker in find()]

    signal.signal(signal.SIGTERM, on_sigterm)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is on_sigterm:
            signal.signal(signal.SIGTERM, previous)
