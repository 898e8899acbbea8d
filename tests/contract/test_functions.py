"""What a handler and a dependency may be: whatever can be called, decorated or not."""

import functools
import inspect
from collections.abc import AsyncIterator
from typing import Annotated, Any

import dishka_faststream
import pytest
from dependency_injector import containers, providers
from dependency_injector.wiring import Provide
from dependency_injector.wiring import inject as wire
from dishka import Provider, make_async_container
from dishka import Scope as DishkaScope
from fast_depends import inject
from fast_healthchecks.checks.function import FunctionHealthCheck
from fast_healthchecks.integrations.faststream import Probe, health
from faststream import Context, ContextRepo, Depends, Logger

from faststream_integrations.asgi import (
    Header,
    JSONResponse,
    Query,
    Request,
    RequestError,
    get,
)


async def answer_of(host, broker, handler, url="/it", **options) -> Any:
    async with host.client(broker, asgi_routes=[("/it", handler)]) as client:
        response = await client.get(url, **options)
    assert response.status_code == 200, response.text
    return response.json()


# Decorators, as people write them


def passing_all(function):
    @functools.wraps(function)
    async def inner(*args, **kwargs):
        return await function(*args, **kwargs)

    return inner


def passing_names(function):
    @functools.wraps(function)
    async def inner(**kwargs):
        return await function(**kwargs)

    return inner


def passing_positions(function):
    @functools.wraps(function)
    async def inner(*args):
        return await function(*args)

    return inner


def plain_around_async(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def needing_login(function):
    @functools.wraps(function)
    async def inner(*args, **kwargs):
        if kwargs["request"].headers.get("x-user") != "ann":
            raise RequestError(401, "Who are you?")
        return await function(*args, **kwargs)

    return inner


def adding_a_name(function):
    """Give an argument that the signature does not show, as containers do."""

    @functools.wraps(function)
    async def inner(*args, **kwargs):
        return await function(*args, **kwargs, added="added")

    signature = inspect.signature(function)
    inner.__signature__ = signature.replace(
        parameters=[p for p in signature.parameters.values() if p.name != "added"]
    )
    return inner


async def plain(q: Annotated[int, Query()], y=None, /, x: int = Depends(lambda: 3)):
    return JSONResponse([q, y, x])


async def handler(q: Annotated[int, Query()], x_user: Annotated[str, Header()] = "nobody"):
    return JSONResponse([q, x_user])


class OfInstance:
    async def __call__(self, q: Annotated[int, Query()]):
        return JSONResponse([q, "nobody"])

    async def method(self, q: Annotated[int, Query()]):
        return JSONResponse([q, "nobody"])

    @classmethod
    async def of_class(cls, q: Annotated[int, Query()]):
        return JSONResponse([q, "nobody"])

    @staticmethod
    async def static(q: Annotated[int, Query()]):
        return JSONResponse([q, "nobody"])


class OfClass(JSONResponse):
    def __init__(self, q: Annotated[int, Query()]):
        super().__init__([q, "nobody"])


async def three(first, q: Annotated[int, Query()], *, last):
    return JSONResponse([q, "nobody"])


def blocking(q: Annotated[int, Query()]):
    return JSONResponse([q, "nobody"])


HANDLERS = {
    "function": handler,
    "all": passing_all(handler),
    "names": passing_names(handler),
    "positions": passing_positions(handler),
    "plain around async": plain_around_async(handler),
    "plain around names": plain_around_async(passing_names(handler)),
    "instance": OfInstance(),
    "method": OfInstance().method,
    "classmethod": OfInstance.of_class,
    "staticmethod": OfInstance.static,
    "class": OfClass,
    "partial": functools.partial(three, "first", last="last"),
    "partial of an instance": functools.partial(OfInstance()),
    "partial of a decorated one": functools.partial(passing_names(handler), x_user="nobody"),
    "blocking": blocking,
    "plain around blocking": plain_around_async(blocking),
    "lambda": lambda q=Query(): JSONResponse([int(q[0]), "nobody"]),
    "lambda around async": lambda q=Query(): handler(int(q[0]), "nobody"),
    "injected": inject(handler),
}


async def answers_of(host, broker, functions, make=get) -> dict[str, Any]:
    """Return what each function answers, as a route of one application."""
    routes = [(f"/{number}", make(function)) for number, function in enumerate(functions.values())]
    async with host.client(broker, asgi_routes=routes) as client:
        return {
            name: (await client.get(f"/{number}?q=7")).text for number, name in enumerate(functions)
        }


def depending_on(function):
    @get
    async def depending(value: Annotated[Any, Depends(function)]):
        return value if callable(value) else JSONResponse(value)

    return depending


async def test_a_handler_may_be_anything_that_can_be_called(host, broker):
    answers = await answers_of(host, broker, HANDLERS)
    assert answers == dict.fromkeys(HANDLERS, '[7,"nobody"]')


async def test_a_dependency_may_be_anything_that_can_be_called(host, broker):
    answers = await answers_of(host, broker, HANDLERS, depending_on)
    assert answers == dict.fromkeys(HANDLERS, '[7,"nobody"]')


async def test_what_goes_by_position_only_does_so(host, broker):
    assert await answer_of(host, broker, get(plain), "/it?q=7") == [7, None, 3]


async def opened(q: Annotated[int, Query()]) -> AsyncIterator[int]:
    yield q


def opened_plainly(q: Annotated[int, Query()]):
    yield q


class Opened:
    async def __call__(self, q: Annotated[int, Query()]):
        yield q


GENERATORS = {
    "async": opened,
    "plain": opened_plainly,
    "instance": Opened(),
    "partial": functools.partial(opened),
    "partial of an instance": functools.partial(Opened()),
    "plain around async": plain_around_async(opened),
    "plain around plain": plain_around_async(opened_plainly),
}


async def test_a_generator_may_be_decorated(host, broker):
    answers = await answers_of(host, broker, GENERATORS, depending_on)
    assert answers == dict.fromkeys(GENERATORS, "7")


async def test_a_decorator_finds_the_request_by_its_name(host, broker):
    @get
    @needing_login
    async def guarded(request: Request, logger: Logger):
        return JSONResponse(request.method)

    assert await answer_of(host, broker, guarded, headers={"x-user": "ann"}) == "GET"
    async with host.client(broker, asgi_routes=[("/it", guarded)]) as client:
        assert (await client.get("/it")).status_code == 401


async def test_a_decorator_above_inject_runs(host, broker):
    """It copies the attributes of what it wraps, those of fast_depends too."""

    @get
    @needing_login
    @inject
    async def guarded(request: Request):
        return JSONResponse("secret")

    async with host.client(broker, asgi_routes=[("/it", guarded)]) as client:
        assert (await client.get("/it")).status_code == 401


async def test_dependencies_of_inject_itself_run(host, broker):
    async def forbid():
        raise RequestError(401, "Who are you?")

    @get
    @inject(extra_dependencies=[Depends(forbid)])
    async def guarded():
        return JSONResponse("secret")

    async with host.client(broker, asgi_routes=[("/it", guarded)]) as client:
        assert (await client.get("/it")).status_code == 401


async def test_a_decorator_may_add_an_argument(host, broker):
    @get
    @adding_a_name
    async def added(q: Annotated[int, Query()], added, scope=None):
        return JSONResponse([q, added])

    assert await answer_of(host, broker, added, "/it?q=7") == [7, "added"]


async def test_dependency_injector_fills_what_it_provides(host, broker):
    class Container(containers.DeclarativeContainer):
        number = providers.Object(5)

    container = Container()

    @get
    @wire
    async def injected(q: Annotated[int, Query()], number: int = Provide[Container.number]):
        return JSONResponse([q, number])

    container.wire(modules=[__name__])
    try:
        assert await answer_of(host, broker, injected, "/it?q=7") == [7, 5]
    finally:
        container.unwire()


async def test_dishka_fills_what_it_provides(host, broker):
    provider = Provider(scope=DishkaScope.REQUEST)
    provider.provide(lambda: 5, provides=int)
    container = make_async_container(provider)

    async def open_container(context: Annotated[ContextRepo, Context("context")]):
        async with container() as request_container:
            with context.scope("dishka", request_container):
                yield

    @get
    @dishka_faststream.inject
    async def injected(
        q: Annotated[int, Query()],
        number: dishka_faststream.FromDishka[int],
        _: Annotated[None, Depends(open_container)],
    ):
        return JSONResponse([q, number])

    assert await answer_of(host, broker, injected, "/it?q=7") == [7, 5]
    await container.close()


async def test_modern_di_fills_what_it_provides(host, broker):
    modern_di = pytest.importorskip("modern_di", reason="it wants Python 3.11")
    from modern_di_faststream import FromDI, main

    class Group(modern_di.Group):
        number = modern_di.providers.Factory(
            scope=modern_di.Scope.REQUEST, creator=lambda: 5, bound_type=None
        )

    container = modern_di.Container(groups=[Group])
    container.open()

    async def open_container():
        child = container.build_child_container(scope=modern_di.Scope.REQUEST)
        token = main._request_container.set(child)
        yield
        main._request_container.reset(token)

    @get
    async def injected(
        _: Annotated[None, Depends(open_container)],
        number: Annotated[int, FromDI(Group.number)],
        q: Annotated[int, Query()],
    ):
        return JSONResponse([q, number])

    assert await answer_of(host, broker, injected, "/it?q=7") == [7, 5]
    await container.close_async()


async def test_fast_healthchecks_answers(host, broker):
    async def check() -> bool:
        return True

    probe = Probe(name="liveness", checks=[FunctionHealthCheck(func=check, name="check")])
    async with host.client(broker, asgi_routes=list(health(probe))) as client:
        response = await client.get("/health/liveness")
    assert response.status_code in (200, 204), response.text
