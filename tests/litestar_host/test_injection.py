"""FastStream's context and dependencies in ordinary handlers of Litestar."""

import threading
from typing import Annotated, Any

import pytest
from faststream import Context, ContextRepo, Depends, Logger
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from faststream.nats.annotations import NatsBroker as AnnotatedBroker
from litestar import Controller, Litestar, Router, WebSocket, get, post, websocket
from litestar import Request as LitestarRequest
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ImproperlyConfiguredException
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.testing import TestClient

from faststream_integrations.asgi import Header, Query, Request
from faststream_integrations.litestar import FastStreamPlugin, inject
from faststream_integrations.testing import asgi_client


def serve(*handlers, broker=None, **options):
    broker = broker or NatsBroker()
    app = Litestar(handlers, plugins=[FastStreamPlugin(broker)], **options)
    return asgi_client(app, broker, raise_app_exceptions=False)


async def test_everything_of_faststream_stands_beside_everything_of_litestar():
    broker = NatsBroker()
    broker.context.set_global("answer", 42)

    async def user(x_user: Annotated[str, Header()], session: str):
        return f"{x_user} of {session}"

    @get("/{name:str}")
    @inject
    async def handler(
        name: FromPath[str],
        answer: Annotated[int, Context()],
        logger: Logger,
        user: Annotated[str, Depends(user)],
        context: ContextRepo,
        nats: AnnotatedBroker,
        faststream_request: Annotated[Any, Context("request")],
        session: NamedDependency[str],
        request: LitestarRequest,
        q: FromQuery[int] = 3,
    ) -> list[Any]:
        assert nats is broker
        assert context.get("logger") is logger
        assert faststream_request.path == request.url.path
        return [name, answer, user, session, q]

    dependencies = {"session": Provide(lambda: "session", sync_to_thread=False)}
    async with serve(handler, broker=broker, dependencies=dependencies) as client:
        response = await client.get("/it?q=4", headers={"x-user": "me"})
        assert response.json() == ["it", 42, "me of session", "session", 4]
        assert (await client.get("/it", headers={"x-user": "me"})).json()[-1] == 3


async def test_controllers_and_routers_keep_what_they_are():
    broker = NatsBroker()
    broker.context.set_global("answer", 42)

    class MyController(Controller):
        path = "/controller"
        greeting = "hello"

        @get("/{name:str}")
        @inject
        async def method(self, name: FromPath[str], answer: Annotated[int, Context()]) -> str:
            return f"{self.greeting} {name} {answer}"

    async with serve(Router("/router", route_handlers=[MyController]), broker=broker) as client:
        assert (await client.get("/router/controller/you")).text == "hello you 42"


async def test_sync_handler_runs_in_a_thread():
    @get("/it")
    @inject
    def handler(logger: Logger) -> bool:
        return threading.current_thread() is threading.main_thread()

    async with serve(handler) as client:
        assert (await client.get("/it")).json() is False


async def test_provider_of_litestar_may_be_injected():
    broker = NatsBroker()
    broker.context.set_global("answer", 42)

    async def provide(answer: Annotated[int, Context()], q: FromQuery[int]) -> int:
        return answer + q

    @get("/it", dependencies={"total": Provide(inject(provide))})
    async def handler(total: NamedDependency[int]) -> int:
        return total

    async with serve(handler, broker=broker) as client:
        assert (await client.get("/it?q=1")).json() == 43


def test_websocket_may_be_injected():
    broker = NatsBroker()
    broker.context.set_global("answer", 42)

    @websocket("/it")
    @inject
    async def handler(socket: WebSocket[Any, Any, Any], answer: Annotated[int, Context()]) -> None:
        await socket.accept()
        await socket.send_json(answer)
        await socket.close()

    # The plugin's routes and the context need no running broker.
    app = Litestar([handler], plugins=[FastStreamPlugin(broker)])
    app.on_startup.clear()
    with TestClient(app) as client, client.websocket_connect("/it") as socket:
        assert socket.receive_json() == 42


async def test_body_is_read_by_litestar_and_by_a_dependency():
    async def size(request: Request):
        return len(await request.body())

    @post("/it")
    @inject
    async def handler(data: JSONBody[list[int]], size: Annotated[int, Depends(size)]) -> list[int]:
        return [*data, size]

    async with serve(handler) as client:
        assert (await client.post("/it", json=[1])).json() == [1, 3]


async def test_overrides_apply():
    broker = NatsBroker()

    async def dependency():
        raise AssertionError

    @get("/it")
    @inject
    async def handler(it: Annotated[str, Depends(dependency)]) -> str:
        return it

    async with serve(handler, broker=broker) as client:
        with broker.provider.scope(dependency, lambda: "overridden"):
            assert (await client.get("/it")).text == "overridden"


async def test_generator_dependency_closes_before_the_response():
    events = []

    async def dependency():
        yield 1
        events.append("close")

    @get("/it")
    @inject
    async def handler(it: Annotated[int, Depends(dependency)]) -> int:
        events.append("handle")
        return it

    async with serve(handler) as client:
        assert (await client.get("/it")).json() == 1
    assert events == ["handle", "close"]


async def test_invalid_value_is_422_as_in_faststreams_handlers():
    async def dependency(page: Annotated[int, Query()]): ...

    @get("/it")
    @inject
    async def handler(it: Annotated[None, Depends(dependency)]) -> None: ...

    async with serve(handler) as client:
        response = await client.get("/it?page=x")
    assert response.status_code == 422
    assert response.json()["detail"][0]["loc"] == ["query", "page"]


async def test_default_of_a_dependency_is_no_query_parameter():
    async def dependency(limit: int = 10):
        return limit

    @get("/it")
    @inject
    async def handler(it: Annotated[int, Depends(dependency)]) -> int:
        return it

    async with serve(handler) as client:
        assert (await client.get("/it?limit=99")).json() == 10


async def test_injected_parameters_are_hidden_from_openapi():
    async def dependency(session: str): ...

    @get("/it")
    @inject
    async def handler(
        logger: Logger, it: Annotated[None, Depends(dependency)], q: FromQuery[int]
    ) -> None:
        """What it does."""

    dependencies = {"session": Provide(lambda: "s", sync_to_thread=False)}
    async with serve(handler, dependencies=dependencies) as client:
        document = (await client.get("/schema/openapi.json")).json()
    operation = document["paths"]["/it"]["get"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["q"]
    assert operation["summary"] == "Handler"


async def test_function_can_be_called_by_hand():
    broker = NatsBroker()
    broker.context.set_global("answer", 42)

    @inject
    async def function(answer: Annotated[int, Context()], q: int = 3) -> int:
        return answer + q

    @get("/it")
    async def handler(request: LitestarRequest) -> int:
        return await function(request=request)

    async with serve(handler, broker=broker) as client:
        assert (await client.get("/it")).json() == 45


def test_generator_is_refused():
    with pytest.raises(SetupError, match="is a generator, which @inject does not take"):

        @inject
        async def provide(logger: Logger):
            yield


# Without @inject


async def plain(answer: Annotated[int, Context()]) -> None: ...


async def with_logger(logger: Logger) -> None: ...


async def with_dependency(it: Annotated[int, Depends(plain)]) -> None: ...


async def with_default(answer: int = Context()) -> None: ...


async def with_query(page: Annotated[int, Query()]) -> None: ...


# Litestar itself warns of the parameter that it takes for one of the query.
@pytest.mark.filterwarnings("ignore:.*using deprecated inferred style")
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (plain, "answer"),
        (with_logger, "logger"),
        (with_dependency, "it"),
        (with_default, "answer"),
        (with_query, "page"),
    ],
)
def test_forgotten_inject_is_reported_at_startup(function, name):
    with pytest.raises(
        ImproperlyConfiguredException, match=f"'{name}' of .*{function.__name__} is FastStream's"
    ):
        serve(get("/it")(function))


def test_forgotten_inject_is_reported_in_controllers_providers_and_websockets():
    class MyController(Controller):
        @get("/it")
        async def method(self, answer: Annotated[int, Context()]) -> None: ...

    @get("/it", dependencies={"total": Provide(plain)})
    async def provided(total: NamedDependency[Any]) -> None: ...

    @websocket("/it")
    async def socket(
        socket: WebSocket[Any, Any, Any], answer: Annotated[int, Context()]
    ) -> None: ...

    for handler in (MyController, Router("/r", route_handlers=[provided]), socket):
        with pytest.raises(ImproperlyConfiguredException, match="Write @inject"):
            serve(handler)


def test_forgotten_inject_is_reported_for_routes_that_come_later():
    app = Litestar(plugins=[FastStreamPlugin(NatsBroker())])
    with pytest.raises(ImproperlyConfiguredException, match="Write @inject"):
        app.register(get("/it")(plain))
