"""Dependency injection in HTTP handlers, as fast_depends does it in subscribers."""

import threading
from typing import Annotated, Any

import pytest
from fast_depends import Provider, dependency_provider
from faststream import Depends

from faststream_integrations.asgi import (
    AsgiResponse,
    Header,
    JSONResponse,
    Query,
    RequestError,
    get,
)


@pytest.fixture(autouse=True)
def _no_overrides_left():
    yield
    dependency_provider.clear()


async def answers_of(host, broker, handler, *urls) -> list[Any]:
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        return [(await client.get(url)).json() for url in urls or ("/it",)]


async def test_dependencies_of_every_kind_are_resolved(host, broker):
    async def asynchronous(q: Annotated[int, Query()]):
        return q + 1

    def synchronous(x: Annotated[int, Depends(asynchronous)]):
        return x + 1

    class OfClass:
        def __init__(self, x: Annotated[int, Depends(synchronous)]):
            self.x = x + 1

    class Callable_:
        async def __call__(self, x: Annotated[OfClass, Depends(OfClass)]):
            return x.x + 1

    @get
    async def handler(x: Annotated[int, Depends(Callable_())], y: int = Depends(asynchronous)):
        return JSONResponse([x, y])

    assert await answers_of(host, broker, handler, "/it?q=1") == [[5, 2]]


async def test_generator_dependencies_close_in_reverse_before_the_response(host, broker):
    events = []

    async def outer():
        events.append("open outer")
        yield 1
        events.append("close outer")

    def inner(outer: Annotated[int, Depends(outer)]):
        events.append("open inner")
        yield outer + 1
        events.append("close inner")

    class Response:
        async def __call__(self, scope, receive, send):
            events.append("respond")
            await AsgiResponse()(scope, receive, send)

    @get
    async def handler(x: Annotated[int, Depends(inner)]):
        events.append(f"handle {x}")
        return Response()

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).status_code == 200
    assert events == [
        "open outer", "open inner", "handle 2", "close inner", "close outer", "respond",
    ]  # fmt: skip


@pytest.mark.parametrize("sync", [False, True])
async def test_generator_dependency_sees_the_exception_of_the_handler(host, broker, sync):
    seen = []

    async def asynchronous():
        try:
            yield
        except ValueError as error:
            seen.append(error)
            raise

    def synchronous():
        try:
            yield
        except ValueError as error:
            seen.append(error)
            raise

    @get
    async def handler(_=Depends(synchronous if sync else asynchronous)):
        raise ValueError

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).status_code == 500
    assert len(seen) == 1


async def test_generator_dependency_that_swallows_the_exception_gives_500(host, broker):
    async def dependency():
        try:
            yield
        except ValueError:
            pass

    @get
    async def handler(_=Depends(dependency)):
        raise ValueError

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).status_code == 500


async def test_dependency_runs_once_for_a_request_unless_its_cache_is_off(host, broker):
    calls = []

    async def cached():
        calls.append("cached")
        return len(calls)

    async def fresh():
        calls.append("fresh")
        return len(calls)

    async def both(a=Depends(cached), b=Depends(fresh, use_cache=False)):
        return [a, b]

    @get
    async def handler(a=Depends(both), b=Depends(cached), c=Depends(fresh, use_cache=False)):
        return JSONResponse([a, b, c])

    assert await answers_of(host, broker, handler, "/it", "/it") == [[[1, 2], 1, 3], [[4, 5], 4, 6]]


async def test_overrides_apply_to_nested_dependencies_and_end(host, broker):
    async def user(x_user: Annotated[str, Header()]):
        return x_user

    async def greeting(name: Annotated[str, Depends(user)]):
        return f"hello {name}"

    async def nobody(q: Annotated[str, Query()] = "nobody"):
        return q

    @get
    async def handler(text: Annotated[str, Depends(greeting)]):
        return JSONResponse(text)

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        with broker.provider.scope(user, nobody):
            assert (await client.get("/it")).json() == "hello nobody"
            assert (await client.get("/it?q=you")).json() == "hello you"
        assert (await client.get("/it", headers={"x-user": "me"})).json() == "hello me"
        broker.provider.override(greeting, lambda: "overridden")
        assert (await client.get("/it")).json() == "overridden"
        broker.provider.clear()
        assert (await client.get("/it", headers={"x-user": "me"})).json() == "hello me"


async def test_handler_leaves_the_provider_of_others_alone(host, broker):
    async def dependency():
        return 1

    @get
    async def handler(x=Depends(dependency)):
        return JSONResponse(x)

    before = dict(dependency_provider.dependencies)
    assert await answers_of(host, broker, handler) == [1]
    assert before == dependency_provider.dependencies


async def test_result_of_a_dependency_is_validated_by_the_annotation_it_is_given_to(host, broker):
    async def dependency():
        return "5"

    @get
    async def handler(
        x: Annotated[int, Depends(dependency)],
        y: Annotated[int, Depends(dependency, cast=False)],
    ):
        return JSONResponse([x, y])

    assert await answers_of(host, broker, handler) == [[5, "5"]]


async def test_wrong_result_of_a_dependency_is_500(host, broker):
    async def dependency():
        return "five"

    @get
    async def handler(x: Annotated[int, Depends(dependency)]):
        raise AssertionError

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).status_code == 500


@pytest.mark.parametrize("sync_to_thread", [True, False])
async def test_sync_functions_run_in_a_thread_unless_told_otherwise(host, broker, sync_to_thread):
    def dependency():
        return threading.current_thread() is threading.main_thread()

    def generator():
        yield threading.current_thread() is threading.main_thread()

    @get(sync_to_thread=sync_to_thread)
    def handler(a=Depends(dependency), b=Depends(generator)):
        return JSONResponse([a, b, threading.current_thread() is threading.main_thread()])

    assert [[not sync_to_thread] * 3] == await answers_of(host, broker, handler)


async def test_provider_of_the_broker_is_the_one_that_counts(host):
    from faststream.nats import NatsBroker

    async def dependency():
        return "original"

    @get
    async def handler(x=Depends(dependency)):
        return JSONResponse(x)

    provider = Provider()
    provider.override(dependency, lambda: "overridden")
    app_provider = {"provider": provider} if host.name in ("asgi", "mounted") else {}
    broker = NatsBroker() if app_provider else NatsBroker(provider=provider)
    async with host.client(broker, asgi_routes=[("/it", handler)], **app_provider) as client:
        assert (await client.get("/it")).json() == "overridden"


@pytest.mark.parametrize("name", ["handler", "plan", "invalid", "call__handler", "print"])
async def test_a_guard_of_any_name_guards(host, broker, name):
    ran = []

    async def guard(q: Annotated[int, Query()] = 0):
        raise RequestError(401, "Who are you?")

    guard.__name__ = guard.__qualname__ = name

    @get
    async def handler(user: Annotated[str, Depends(guard)]):
        ran.append(user)
        return AsgiResponse(b"secret")

    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        assert (await client.get("/it")).status_code == 401
    assert ran == []
