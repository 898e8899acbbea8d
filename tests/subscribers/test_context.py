"""`Context("key")` is found by its key, whatever the parameter is called, wherever it was set."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from faststream import BaseMiddleware, Context, ContextRepo, Depends, FastStream
from faststream.nats import NatsBroker, NatsRouter

from tests.subscribers.hosts import CONTEXTS_ARE_COMPOSED, ask, every_host, running

Found = Annotated[Any, Context("key")]


class Sets(BaseMiddleware):
    """Sets the value for the length of a message."""

    async def consume_scope(self, call_next: Any, msg: Any) -> Any:
        with self.context.scope("key", "of the middleware"):
            return await call_next(msg)


async def sets(context: ContextRepo) -> Any:
    with context.scope("key", "of the dependency"):
        yield


async def below(found: Found, other: Annotated[Any, Context("key")]) -> list[Any]:
    return [found, other]


def declare(broker: Any, **options: Any) -> None:
    @broker.subscriber("orders", **options)
    async def handle(
        body: int,
        found: Found,
        value: Annotated[Any, Context()],
        below: Annotated[list[Any], Depends(below)],
    ) -> list[Any]:
        return [found, value, *below]


def of_the_broker() -> FastStream:
    broker = NatsBroker(context=ContextRepo({"key": "of the broker"}))
    declare(broker)
    return FastStream(broker)


def of_the_broker_later() -> FastStream:
    broker = NatsBroker()
    declare(broker)
    broker.context.set_global("key", "later")
    return FastStream(broker)


def of_the_application() -> FastStream:
    broker = NatsBroker()
    declare(broker)
    return FastStream(broker, context=ContextRepo({"key": "of the application"}))


def of_the_application_and_the_broker() -> FastStream:
    broker = NatsBroker(context=ContextRepo({"key": "of the broker"}))
    declare(broker)
    return FastStream(broker, context=ContextRepo({"key": "of the application"}))


def of_a_middleware_of_the_broker() -> FastStream:
    broker = NatsBroker(middlewares=[Sets])
    declare(broker)
    return FastStream(broker)


def of_a_middleware_of_a_router() -> FastStream:
    broker, router = NatsBroker(), NatsRouter(middlewares=[Sets])
    declare(router)
    broker.include_router(router)
    return FastStream(broker)


def of_a_dependency_of_the_broker() -> FastStream:
    broker = NatsBroker(dependencies=[Depends(sets)])
    declare(broker)
    return FastStream(broker)


def of_a_dependency_of_a_router() -> FastStream:
    broker, router = NatsBroker(), NatsRouter(dependencies=[Depends(sets)])
    declare(router)
    broker.include_router(router)
    return FastStream(broker)


def of_a_dependency_of_the_subscriber() -> FastStream:
    broker = NatsBroker()
    declare(broker, dependencies=[Depends(sets)])
    return FastStream(broker)


def of_a_hook() -> FastStream:
    broker = NatsBroker()
    declare(broker)
    service = FastStream(broker)

    @service.on_startup
    async def set_it(context: ContextRepo) -> None:
        context.set_global("key", "of a hook")

    return service


OF_THE_BROKER = (of_the_broker, of_the_broker_later, of_the_application_and_the_broker)

PLACES: list[tuple[Callable[[], FastStream], str]] = [
    (of_the_broker, "of the broker"),
    (of_the_broker_later, "later"),
    (of_the_application, "of the application"),
    (of_the_application_and_the_broker, "of the broker"),
    (of_a_middleware_of_the_broker, "of the middleware"),
    (of_a_middleware_of_a_router, "of the middleware"),
    (of_a_dependency_of_the_broker, "of the dependency"),
    (of_a_dependency_of_a_router, "of the dependency"),
    (of_a_dependency_of_the_subscriber, "of the dependency"),
    (of_a_hook, "of a hook"),
]


@every_host
@pytest.mark.parametrize(
    ("build", "expected"), PLACES, ids=lambda each: getattr(each, "__name__", "")
)
async def test_place(host, build, expected):
    if build in OF_THE_BROKER and not CONTEXTS_ARE_COMPOSED:
        pytest.skip("FastStream 0.7.0 puts the application's context in the place of the broker's.")
    service = build()
    async with running(host, service):
        service.broker.context.set_global("value", "of the name")
        assert await ask(service.broker, 1) == [expected, "of the name", expected, expected]


made: list[Any] = []


def make() -> list[Any]:
    made.append([])
    return made[-1]


NOT_THERE: dict[str, tuple[Any, Any]] = {
    "default": (Context("key", default="d"), "d"),
    "default-none": (Context("key", default=None), None),
    "initial": (Context("key", initial=lambda: "made"), "made"),
    "default before initial": (Context("key", default="d", initial=lambda: "made"), "d"),
    "cast": (Context("key", default="3", cast=True), 3),
}


@every_host
@pytest.mark.parametrize(("marker", "expected"), NOT_THERE.values(), ids=NOT_THERE)
async def test_value_that_is_not_there(host, marker, expected):
    broker = NatsBroker()

    async def below(found: Any) -> Any:
        return found

    async def handle(body: int, found: Any, below: Any) -> list[Any]:
        return [found, below]

    annotation = Annotated[int, marker] if marker.cast else Annotated[Any, marker]
    below.__annotations__["found"] = annotation
    handle.__annotations__ |= {"found": annotation, "below": Annotated[Any, Depends(below)]}
    broker.subscriber("orders")(handle)
    async with running(host, FastStream(broker)):
        broker.context.set_global("found", "of the name")
        assert await ask(broker, 1) == [expected, expected]
        broker.context.set_global("key", 4)
        assert await ask(broker, 1) == [4, 4]


@every_host
async def test_what_initial_makes_is_kept_under_the_key(host):
    broker = NatsBroker()
    made.clear()

    @broker.subscriber("orders")
    async def handle(
        body: int,
        found: Annotated[list[int], Context("key", initial=make)],
        again: Annotated[list[int], Context("key")],
    ) -> list[int]:
        found.append(body)
        assert again is found
        return found

    async with running(host, FastStream(broker)):
        assert await ask(broker, 1) == [1]
        assert await ask(broker, 2) == [1, 2]
        assert broker.context.get("key") is made[0]
        assert broker.context.get("found") is None
    assert len(made) == 1


@every_host
async def test_global_value_comes_before_that_of_a_block(host):
    broker = NatsBroker()
    declare(broker)
    async with running(host, FastStream(broker)):
        broker.context.set_global("value", 1)
        with broker.context.scope("key", "local"):
            assert await ask(broker, 1) == ["local", 1, "local", "local"]
            broker.context.set_global("key", "global")
            assert await ask(broker, 1) == ["global", 1, "global", "global"]
