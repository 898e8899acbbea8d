"""Brokers that start and stop inside a host's lifespan."""

from __future__ import annotations

import asyncio
import inspect
from collections import ChainMap
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, fields
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import anyio
from typing_extensions import TypedDict, Unpack

from faststream_integrations._faststream import (
    Application,
    default_logger,
    hooks_of,
    startup_validation,
)
from faststream_integrations.brokers.holds import SharedBlock
from faststream_integrations.brokers.outages import BrokerUnavailable, describe
from faststream_integrations.brokers.supervisor import Supervisor
from faststream_integrations.environment import (
    STATE_KEY,
    AnyBroker,
    BrokerOrApp,
    Environment,
    brokers_of,
    check_brokers,
)
from faststream_integrations.http.lifespan_scope import ensure_state
from faststream_integrations.process_exit import ending_the_process
from faststream_integrations.sigterm import watching_sigterm
from faststream_integrations.subscribers import Host, adopt, hosting

__all__ = (
    "BrokerLifespan",
    "BrokerUnavailable",
    "HostLifespan",
    "LimitOptions",
    "Limits",
    "broker_lifespan",
    "describe",
    "entering",
    "run_brokers",
)

HostLifespan = Callable[..., Any] | AbstractAsyncContextManager[Any]
"""A lifespan as FastAPI, Starlette and Litestar take it."""

OnUnavailable = Literal["fail", "retry"]


class LimitOptions(TypedDict, total=False):
    """How brokers start and stop: arguments of `broker_lifespan` and of every host.

    Attributes:
        startup_timeout: How many seconds the start of the brokers may take in all; with
            ``on_unavailable="retry"``, each attempt of each broker. 10 by default.
        shutdown_timeout: How many seconds the stop may take: messages that were received are
            handled, then the connections are closed, at the deadline by force. 15 by default.
        on_unavailable: What a broker does that cannot be reached: ``"fail"``, the default, fails
            the startup; ``"retry"`` lets the application start at once and connects in the
            background, while `make_readiness_asgi` answers 503.
        shutdown_delay: How many seconds SIGTERM is kept from the server, while readiness is 503
            already, so that a load balancer sends its requests elsewhere before the listeners
            close. 0 by default. Works for uvicorn and for gunicorn's UvicornWorker.
    """

    startup_timeout: float
    shutdown_timeout: float
    on_unavailable: OnUnavailable
    shutdown_delay: float


@dataclass(frozen=True, slots=True)
class Limits:
    """The values of `LimitOptions`, each with its default."""

    startup_timeout: float = 10.0
    shutdown_timeout: float = 15.0
    on_unavailable: OnUnavailable = "fail"
    shutdown_delay: float = 0.0

    @classmethod
    def of(cls, where: str, options: Mapping[str, Any]) -> Limits:
        """Check the options that `where` was given.

        Raises:
            TypeError: One is not an option, or not a number of seconds.
            ValueError: A number of seconds is negative, or `on_unavailable` is something else.
        """
        known = {each.name for each in fields(cls)}
        for name, value in options.items():
            if name not in known:
                msg = (
                    f"{where}() got an unexpected argument {name!r}; "
                    f"how brokers start and stop is said by {', '.join(sorted(known))}."
                )
                raise TypeError(msg)
            if name == "on_unavailable":
                if value not in ("fail", "retry"):
                    msg = f"on_unavailable must be 'fail' or 'retry', got {value!r}."
                    raise ValueError(msg)
            elif not isinstance(value, (int, float)):
                msg = f"{name} must be a number of seconds, got {value!r}."
                raise TypeError(msg)
            elif not value >= 0:
                msg = f"{name} must be a number of seconds from 0, got {value!r}."
                raise ValueError(msg)
        return cls(**options)


def broker_lifespan(
    *brokers_or_app: BrokerOrApp,
    lifespan: HostLifespan | None = None,
    **limits: Unpack[LimitOptions],
) -> BrokerLifespan:
    """Start brokers with a host application, and stop them with it.

    The result is the ``lifespan=`` of FastAPI and Starlette, and an item of Litestar's
    ``lifespan=[...]``::

        app = FastAPI(lifespan=broker_lifespan(broker))

    Every broker is stopped, whatever fails, and it can all be started again in one process.

    Args:
        brokers_or_app: One or several brokers, or a `FastStream` application, whose lifespan and
            hooks then run too.
        lifespan: A lifespan of your own, as the host takes it: a function that returns an
            asynchronous context manager, an asynchronous generator function, or the context
            manager itself. It is entered before the brokers start and left after they have
            stopped; the state that it yields is passed on.
        limits: ``startup_timeout``, ``shutdown_timeout``, ``on_unavailable`` and
            ``shutdown_delay``: see `LimitOptions`.

    Returns:
        A callable that takes the host application and returns an asynchronous context manager. It
        yields the lifespan state: ``broker`` (the first one), ``brokers``, and what `lifespan`
        yields. Source: ASGI specification, "Lifespan Protocol".

    Raises:
        TypeError: No broker was given, or something that is none; or a limit is unknown.
        ValueError: A limit has a value that cannot be.
    """
    check_brokers("broker_lifespan", brokers_or_app)
    return BrokerLifespan(brokers_or_app, lifespan, Limits.of("broker_lifespan", limits))


class BrokerLifespan:
    """What `broker_lifespan` returns."""

    __slots__ = ("_brokers_or_app", "_lifespan", "_limits")

    def __init__(
        self,
        brokers_or_app: tuple[BrokerOrApp, ...],
        lifespan: HostLifespan | None,
        limits: Limits,
    ) -> None:
        adopt(brokers_of(*brokers_or_app))
        self._brokers_or_app = brokers_or_app
        self._lifespan = lifespan
        self._limits = limits

    @asynccontextmanager
    async def __call__(self, host: Any = None) -> AsyncIterator[dict[str, Any]]:
        """Enter the lifespan of `host`, an application of any framework."""
        async with AsyncExitStack() as stack:
            state: dict[str, Any] = {}
            of_scope = ensure_state()
            if self._lifespan is not None:
                yielded = await stack.enter_async_context(entering(self._lifespan, host))
                state.update(yielded or {})
            environment = Environment.of(*self._brokers_or_app)
            environment.lifespan_state = ChainMap(state, of_scope)
            await stack.enter_async_context(
                run_brokers(self._brokers_or_app, self._limits, host=Host(environment, host))
            )
            brokers = tuple(brokers_of(*self._brokers_or_app))
            state = {"broker": brokers[0] if brokers else None, "brokers": brokers, **state}
            state[STATE_KEY] = environment
            # For hosts and servers that do not pass the lifespan state on to the requests.
            if (host_state := getattr(host, "state", None)) is not None:
                stack.enter_context(_set(host_state, STATE_KEY, environment))
            yield state


@asynccontextmanager
async def entering(lifespan: HostLifespan, /, *args: Any, **options: Any) -> AsyncIterator[Any]:
    """Enter a lifespan in any of the forms that hosts take.

    Args:
        lifespan: A callable that returns an asynchronous context manager, an asynchronous generator
            or a generator, or such a context manager itself.
        args: What the callable is given.
        options: The same by name.

    Raises:
        TypeError: It is nothing of these.
    """
    made: Any = lifespan
    if not isinstance(lifespan, AbstractAsyncContextManager):
        made = lifespan(*args, **options)
    if inspect.isgenerator(made):
        with contextmanager(lambda: made)() as state:
            yield state
        return
    if inspect.isasyncgen(made):
        made = asynccontextmanager(lambda: made)()
    if not isinstance(made, AbstractAsyncContextManager):
        if inspect.iscoroutine(made):
            made.close()
        msg = f"The lifespan {lifespan!r} gave {made!r}. Put @asynccontextmanager above it."
        raise TypeError(msg)
    async with made as state:
        yield state


@contextmanager
def _set(target: Any, name: str, value: Any) -> Iterator[None]:
    """Let an object have an attribute for the length of a block."""
    before = getattr(target, name, None)
    setattr(target, name, value)
    try:
        yield
    finally:
        if getattr(target, name, None) is value:  # nobody else has set it meanwhile
            delattr(target, name)
            if before is not None:
                setattr(target, name, before)


@asynccontextmanager
async def run_brokers(
    brokers_or_app: Sequence[BrokerOrApp],
    limits: Limits,
    options: Mapping[str, Any] = MappingProxyType({}),
    host: Host | None = None,
) -> AsyncIterator[None]:
    """Run brokers, or a FastStream application with its hooks, for the length of a block.

    What is opened first is closed last, and whatever fails, the rest is still closed: the lifespan
    of the application, ``on_startup`` with ``after_shutdown``, the brokers, ``after_startup`` with
    ``on_shutdown``. Blocks may overlap in any order: what runs already goes on until the last
    block is left, and a block that begins while that ends waits, and starts it again.

    Args:
        brokers_or_app: Brokers or applications.
        limits: How they start and stop. With ``on_unavailable="retry"``, ``after_startup`` hooks
            run in the background too, once every broker has started.
        options: What the command line of ``faststream run`` gives to the lifespan and to the
            ``on_startup`` hooks.
        host: The application whose dependency injection the subscribers use.

    Raises:
        BrokerUnavailable: A broker did not start in time.
        SetupError: A subscriber asks for what nothing can give it.
    """
    async with AsyncExitStack() as stack:
        apps = [target for target in brokers_or_app if isinstance(target, Application)]
        for app in apps:
            block = SharedBlock.of(app, "lifespan and on_startup")
            await stack.enter_async_context(block.enter(partial(_open, app, options)))

        # A hook may have added a broker, and one may be added while the application runs.
        def find() -> list[AnyBroker]:
            return brokers_of(*brokers_or_app)

        adopt(find(), host=host)
        await stack.enter_async_context(hosting(find(), host, limits.shutdown_timeout))
        await stack.enter_async_context(ending_the_process(apps, find()))
        await stack.enter_async_context(_started(find, limits))
        for app in apps:
            block = SharedBlock.of(app, "after_startup")
            hooks = partial(_call_after_startup, app, find(), limits)
            await stack.enter_async_context(block.enter(hooks))
        stack.enter_context(_watching_sigterm(find, limits))
        yield


async def _open(app: Application, options: Mapping[str, Any], stack: AsyncExitStack) -> None:
    hooks = hooks_of(app)
    await stack.enter_async_context(hooks.lifespan(**options))
    _call_at_exit(stack, hooks.after_shutdown)
    async with startup_validation():
        for hook in hooks.on_startup:
            await hook(**options)


async def _call_after_startup(
    app: Application, brokers: Sequence[AnyBroker], limits: Limits, stack: AsyncExitStack
) -> None:
    hooks = hooks_of(app)
    _call_at_exit(stack, hooks.on_shutdown)
    if limits.on_unavailable == "retry":
        work = _when_started([Supervisor.of(each) for each in brokers], hooks.after_startup)
        await stack.enter_async_context(_in_background(work))
    else:
        for hook in hooks.after_startup:
            await hook()


def _call_at_exit(stack: AsyncExitStack, hooks: Sequence[Any]) -> None:
    for hook in reversed(hooks):
        stack.push_async_callback(hook)


@asynccontextmanager
async def _started(find: Callable[[], list[AnyBroker]], limits: Limits) -> AsyncIterator[None]:
    known = [Supervisor.of(broker) for broker in find()]
    held: list[Supervisor] = []
    seconds = limits.startup_timeout
    try:
        for supervisor in known:
            start = _Start(supervisor, limits, seconds)
            await supervisor.holds.enter(start)
            held.append(supervisor)
            await start.wait_for_others()
            seconds = start.seconds
        yield
    finally:
        # Those that were added later, and that nobody else runs.
        late = {Supervisor.of(broker) for broker in find()} - set(known)
        late = {each for each in late if each.holds.unused}
        with ExitStack() as stack:
            last = [each for each in held if stack.enter_context(each.holds.leaving())]
            await _stop([*last, *late], limits.shutdown_timeout)


class _Start:
    """The start of a broker, within what is left of the time of all of them."""

    def __init__(self, supervisor: Supervisor, limits: Limits, seconds: float) -> None:
        self.seconds = seconds
        self._supervisor = supervisor
        self._in_background = limits.on_unavailable == "retry" and not supervisor.in_memory
        self._limits = limits

    async def __call__(self) -> None:
        if self._in_background:
            self._supervisor.start_in_background(self._limits.startup_timeout)
            return
        began = anyio.current_time()
        await self._supervisor.start(max(self.seconds, 0.001))
        self.seconds -= anyio.current_time() - began

    async def wait_for_others(self) -> None:
        """Wait for a broker that another block starts in the background."""
        if self._in_background or self._supervisor.started.is_set():
            return
        with anyio.move_on_after(self.seconds):
            await self._supervisor.started.wait()
            return
        msg = f"{self._supervisor.name} did not start in time ({self._supervisor.reason})."
        raise BrokerUnavailable(msg)


async def _when_started(supervisors: list[Supervisor], hooks: Sequence[Any]) -> None:
    if not hooks:
        return
    for supervisor in supervisors:
        await supervisor.started.wait()
    try:
        for hook in hooks:
            await hook()
    except Exception as error:
        default_logger.exception("An after_startup hook failed; the application is not ready.")
        for supervisor in supervisors:
            supervisor.hold(f"an after_startup hook failed: {type(error).__name__}")


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


def _watching_sigterm(
    find: Callable[[], list[AnyBroker]], limits: Limits
) -> AbstractContextManager[None]:
    def announce() -> bool:
        supervisors = [Supervisor.of(broker) for broker in find()]
        news = not any(each.announced for each in supervisors)
        for each in supervisors:
            each.announce_stop()
        return news

    # Half of the time for the server to end its requests and the lifespan, half for the handlers.
    half = limits.shutdown_timeout / 2

    async def end_consuming() -> None:
        await asyncio.gather(*(Supervisor.of(broker).end_consuming() for broker in find()))

    return watching_sigterm(
        announce, delay=limits.shutdown_delay, overdue=end_consuming, patience=half
    )
