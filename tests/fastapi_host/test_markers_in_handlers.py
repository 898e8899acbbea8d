"""FastAPI's own markers in FastStream's handlers: FastAPI fills them, and nobody else does."""

from typing import Annotated, Any

import fastapi
import pytest
from fastapi import APIRouter, BackgroundTasks, FastAPI, HTTPException, UploadFile
from fastapi.routing import APIRoute
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer, SecurityScopes
from faststream import Context, Depends
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from litestar import Litestar
from pydantic import BaseModel
from starlette.responses import StreamingResponse

import faststream_integrations as ours
from faststream_integrations import AsgiFastStream, get, post
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client


@pytest.fixture
def broker():
    return NatsBroker()


class User(BaseModel):
    name: str
    level: int = 0


def current_user(x_user: Annotated[str, fastapi.Header()]) -> User:
    if x_user == "nobody":
        raise HTTPException(401, "Who?")
    return User(name=x_user)


CurrentUser = Annotated[User, fastapi.Depends(current_user)]


class Everything:
    """What one signature asks for, in an endpoint and in a handler."""

    @staticmethod
    async def it(
        order_id: Annotated[int, fastapi.Path()],
        user: CurrentUser,
        item: Annotated[User, fastapi.Body()],
        size: Annotated[int, fastapi.Query(alias="s", gt=2)],
        x_trace: Annotated[str, fastapi.Header()],
        session: Annotated[str, fastapi.Cookie()] = "none",
        tags: list[str] = fastapi.Query(["a"]),
    ) -> dict[str, Any]:
        return {
            "order_id": order_id,
            "user": user.name,
            "item": item.name,
            "size": size,
            "x_trace": x_trace,
            "session": session,
            "tags": tags,
        }


VALID: dict[str, Any] = {
    "params": {"s": 3, "tags": ["x", "y"]},
    "headers": {"x-user": "anna", "x-trace": "t", "cookie": "session=s"},
    "json": {"name": "tea"},
}


def serve(broker: NatsBroker, *routes: tuple[str, Any], **options: Any) -> FastAPI:
    app = FastAPI()
    app.include_router(FastStreamRouter(broker, asgi_routes=routes, **options))
    return app


def serve_both(broker: NatsBroker, **options: Any) -> FastAPI:
    app = serve(broker, ("/handler/{order_id}", post(Everything.it)), **options)
    app.post("/endpoint/{order_id}")(Everything.it)
    return app


class OtherRoute(APIRoute):
    pass


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"dependencies": [fastapi.Depends(current_user)]},
        {"route_class": OtherRoute},
    ],
    ids=["plain", "with dependencies", "with a route class"],
)
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"params": {}},
        {"params": {"s": 1}},
        {"headers": {"x-user": "anna"}},
        {"headers": {"x-user": "nobody", "x-trace": "t"}},
        {"json": {"nme": "tea"}},
        {"json": None},
    ],
)
async def test_one_signature_serves_an_endpoint_and_a_handler(broker, options, change):
    request = {**VALID, **change}
    async with asgi_client(serve_both(broker, **options), broker) as client:
        answers = [await client.post(f"/{kind}/7", **request) for kind in ("endpoint", "handler")]
    of_endpoint, of_handler = [(each.status_code, each.json()) for each in answers]
    assert of_handler == of_endpoint
    if not change:
        assert of_handler[0] == 200
        assert of_handler[1]["user"] == "anna"
        assert of_handler[1]["tags"] == ["x", "y"]


async def test_the_documents_of_both_are_the_same(broker):
    async with asgi_client(serve_both(broker), broker) as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    of_endpoint = paths["/endpoint/{order_id}"]["post"]
    of_handler = paths["/handler/{order_id}"]["post"]
    assert len(of_handler["parameters"]) == 6

    def named(parameters: list[dict[str, Any]]) -> dict[Any, Any]:
        return {(each["in"], each["name"]): each for each in parameters}

    assert named(of_handler["parameters"]) == named(of_endpoint["parameters"])
    assert of_handler["requestBody"] == of_endpoint["requestBody"]


async def test_security_schemes_are_in_the_document_and_guard(broker):
    key = APIKeyHeader(name="x-key")

    @get
    async def guarded(value: Annotated[str, fastapi.Security(key)]) -> str:
        return value

    async with asgi_client(serve(broker, ("/guarded", guarded)), broker) as client:
        document = (await client.get("/openapi.json")).json()
        missing = await client.get("/guarded")
        given = await client.get("/guarded", headers={"x-key": "k"})
    assert document["components"]["securitySchemes"] == {
        "APIKeyHeader": {"type": "apiKey", "in": "header", "name": "x-key"}
    }
    assert document["paths"]["/guarded"]["get"]["security"] == [{"APIKeyHeader": []}]
    assert missing.status_code in (401, 403)
    assert given.json() == "k"


async def test_security_scopes_reach_the_dependency(broker):
    oauth = OAuth2PasswordBearer("token", scopes={"read": "reads"})

    def scopes_of(scopes: SecurityScopes, token: Annotated[str, fastapi.Depends(oauth)]):
        return [*scopes.scopes, token]

    @get
    async def read(found: Annotated[list[str], fastapi.Security(scopes_of, scopes=["read"])]):
        return found

    async with asgi_client(serve(broker, ("/read", read)), broker) as client:
        answer = await client.get("/read", headers={"authorization": "Bearer t"})
    assert answer.json() == ["read", "t"]


# Beside what is FastStream's


async def test_beside_parameters_context_and_dependencies_of_faststream(broker):
    def doubled(n: Annotated[int, ours.Query()]) -> int:
        return 2 * n

    @get
    async def handler(
        n: Annotated[int, ours.Query()],
        twice: Annotated[int, Depends(doubled)],
        user: CurrentUser,
        of_context: Annotated[NatsBroker, Context("broker")],
        request: ours.Request,
        rest: Annotated[str, fastapi.Query()] = "rest",
    ):
        return [n, twice, user.name, of_context is broker, request.method, rest]

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        answer = await client.get("/it", params={"n": 2}, headers={"x-user": "anna"})
        refused = await client.get("/it", headers={"x-user": "anna"})
    assert answer.json() == [2, 4, "anna", True, "GET", "rest"]
    assert refused.status_code == 422
    assert refused.json()["detail"][0]["loc"] == ["query", "n"]


async def test_in_dependencies_of_faststream_whose_parameters_share_names(broker):
    def first(value: Annotated[int, fastapi.Query(alias="first")], user: CurrentUser):
        return [value, user.name]

    def second(value: Annotated[str, fastapi.Header(alias="x-second")]):
        yield value

    @get
    async def handler(
        first: Annotated[list[Any], Depends(first)],
        second: Annotated[str, Depends(second)],
        value: Annotated[int, fastapi.Query(alias="own")],
    ):
        return [*first, second, value]

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        answer = await client.get(
            "/it", params={"first": 1, "own": 3}, headers={"x-user": "u", "x-second": "2"}
        )
        document = (await client.get("/openapi.json")).json()
    assert answer.json() == [1, "u", "2", 3]
    names = [each["name"] for each in document["paths"]["/it"]["get"]["parameters"]]
    assert sorted(names) == ["first", "own", "x-second", "x-user"]


async def test_a_dependency_runs_once_for_the_route_the_handler_and_its_dependencies(broker):
    calls = []

    async def once():
        calls.append("open")
        yield len(calls)
        calls.append("close")

    Once = Annotated[int, fastapi.Depends(once)]  # noqa: N806

    def nested(of_nested: Once):
        return of_nested

    @get
    async def handler(own: Once, nested: Annotated[int, Depends(nested)]):
        calls.append("handler")
        return [own, nested]

    app = serve(broker, ("/it", handler), dependencies=[fastapi.Depends(once)])
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).json() == [1, 1]
    assert calls == ["open", "handler", "close"]


async def test_a_generator_closes_after_a_streamed_response(broker):
    calls = []

    async def session():
        yield "session"
        calls.append("closed")

    @get
    async def handler(session: Annotated[str, fastapi.Depends(session)]):
        async def pieces():
            calls.append("streamed")
            yield session.encode()

        return StreamingResponse(pieces())

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        assert (await client.get("/it")).text == "session"
    assert calls == ["streamed", "closed"]


async def test_background_tasks_run_after_the_response(broker):
    calls = []

    @get
    async def handler(tasks: BackgroundTasks):
        tasks.add_task(calls.append, "task")
        return len(calls)

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        assert (await client.get("/it")).json() == 0
    assert calls == ["task"]


# Overrides


@pytest.mark.parametrize("by", ["application", "provider"])
async def test_overrides_replace_what_fastapi_solves(broker, by):
    @get
    async def handler(user: CurrentUser):
        return user.name

    def other():
        return User(name="other")

    app = serve(broker, ("/it", handler))
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it", headers={"x-user": "anna"})).json() == "anna"
        if by == "application":
            app.dependency_overrides[current_user] = other
            assert (await client.get("/it")).json() == "other"
            app.dependency_overrides.clear()
        else:
            with broker.provider.scope(current_user, other):
                assert (await client.get("/it")).json() == "other"
        assert (await client.get("/it", headers={"x-user": "anna"})).json() == "anna"


@pytest.mark.parametrize("is_marked", [False, True])
async def test_an_override_of_a_dependency_of_faststream_has_markers_of_its_own(broker, is_marked):
    def database():
        return "real"

    def other(x_name: Annotated[str, fastapi.Header()]):
        return x_name

    if is_marked:

        @get
        async def handler(user: CurrentUser, database: Annotated[str, Depends(database)]):
            return database

    else:

        @get
        async def handler(database: Annotated[str, Depends(database)]):
            return database

    app = serve(broker, ("/it", handler))
    headers = {"x-user": "anna", "x-name": "test"}
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it", headers=headers)).json() == "real"
        app.dependency_overrides[database] = other
        assert (await client.get("/it", headers=headers)).json() == "test"


# Bodies


async def test_a_body_over_the_limit_is_413(broker):
    @post(request_max_body_size=20)
    async def handler(item: Annotated[User, fastapi.Body()]):
        return item

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        small = await client.post("/it", json={"name": "x"})
        large = await client.post("/it", json={"name": "x" * 20})
        document = (await client.get("/openapi.json")).json()
    assert (small.status_code, large.status_code) == (200, 413)
    assert "413" in document["paths"]["/it"]["post"]["responses"]


async def test_forms_and_files(broker):
    # Litestar's `multipart` may be there in its place, and the two share a name.
    pytest.importorskip("python_multipart")

    @post
    async def handler(
        name: Annotated[str, fastapi.Form()], file: Annotated[UploadFile, fastapi.File()]
    ):
        return [name, (await file.read()).decode()]

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        answer = await client.post("/it", data={"name": "n"}, files={"file": b"content"})
    assert answer.json() == ["n", "content"]


async def test_the_request_reads_what_fastapi_has_read(broker):
    @post
    async def handler(item: Annotated[User, fastapi.Body()], request: ours.Request):
        return [item.name, await request.json()]

    async with asgi_client(serve(broker, ("/it", handler)), broker) as client:
        answer = await client.post("/it", json={"name": "n"})
    assert answer.json() == ["n", {"name": "n"}]


def takes_a_body(item: Annotated[User, fastapi.Body()]):
    return item


async def two_bodies(
    item: Annotated[User, fastapi.Body()], other: Annotated[User, ours.Body()]
): ...


async def a_body_by_a_dependency(
    item: Annotated[User, fastapi.Depends(takes_a_body)], other: Annotated[User, ours.Body()]
): ...


@pytest.mark.parametrize("function", [two_bodies, a_body_by_a_dependency])
def test_a_body_for_both_is_refused(broker, function):
    with pytest.raises(SetupError, match=r"Take all of the body by one of the two"):
        FastStreamRouter(broker, asgi_routes=[("/it", post(function))])


# Where there is no FastAPI

MARKED: dict[str, Any] = {
    "Depends of fastapi": CurrentUser,
    "Security of fastapi": Annotated[Any, fastapi.Security(current_user)],
    "Query of fastapi": Annotated[int, fastapi.Query()],
    "Header of fastapi": Annotated[str, fastapi.Header()],
    "Path of fastapi": Annotated[str, fastapi.Path()],
    "Cookie of fastapi": Annotated[str, fastapi.Cookie()],
    "Body of fastapi": Annotated[dict[str, Any], fastapi.Body()],
    "Form of fastapi": Annotated[dict[str, Any], fastapi.Form()],
    "BackgroundTasks of fastapi": BackgroundTasks,
}


@pytest.mark.parametrize("build", [AsgiFastStream, FastStreamPlugin])
@pytest.mark.parametrize("where", ["handler", "dependency"])
@pytest.mark.parametrize("has_default", [False, True])
@pytest.mark.parametrize("name", MARKED)
def test_elsewhere_the_markers_are_refused(broker, build, where, has_default, name):
    """Also where they stand at the first parameter, which may take the scope of ASGI."""

    def marked(value): ...

    marked.__annotations__ = {"value": MARKED[name]}
    if has_default:
        marked.__defaults__ = (None,)

    async def depends(value: Annotated[Any, Depends(marked)]): ...

    handler = post(marked if where == "handler" else depends)
    with pytest.raises(
        SetupError, match=rf"'value' of .*marked is marked with {name}.*FastStreamR"
    ):
        app = build(broker, asgi_routes=[("/it", handler)])
        Litestar(plugins=[app])


async def test_a_router_within_a_router_with_prefixes(broker):
    router = FastStreamRouter(broker, asgi_routes=[("/{order_id}", post(Everything.it))])
    outer = APIRouter(prefix="/outer")
    outer.include_router(router, prefix="/inner")
    app = FastAPI()
    app.include_router(outer)
    async with asgi_client(app, broker) as client:
        answer = await client.post("/outer/inner/7", **VALID)
    assert answer.json()["order_id"] == 7


async def forbid() -> int:
    raise AssertionError


async def give() -> int:
    return 5


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[int, Depends(give), fastapi.Depends(forbid)],
        Annotated[int, Depends(forbid), fastapi.Security(forbid, scopes=["a"])],
        Annotated[int, ours.Query(), fastapi.Depends(forbid)],
        Annotated[int, Context("value"), fastapi.Depends(forbid)],
    ],
)
def test_a_dependency_that_would_not_run_is_refused(broker, annotation):
    async def handler(value: Any) -> int:
        return value

    handler.__annotations__["value"] = annotation
    with pytest.raises(SetupError, match="'value' of .* has several sources"):
        FastStreamRouter(broker, asgi_routes=[("/it", get(handler))])


@pytest.mark.parametrize("build", [AsgiFastStream, None], ids=["asgi", "fastapi"])
async def test_one_function_by_either_depends(broker, build):
    """As `faststream.<broker>.fastapi` and plain FastStream each want their own."""
    either = Annotated[int, fastapi.Depends(give), Depends(give)]

    @get
    async def handler(value: either) -> int:
        return value

    @broker.subscriber("orders")
    async def handle(body: int, value: either) -> int:
        return body + value

    routes = [("/it", handler)]
    app = FastAPI() if build is None else build(broker, asgi_routes=routes)
    if build is None:
        app.include_router(FastStreamRouter(broker, asgi_routes=routes))
    async with asgi_client(app, broker) as client:
        assert (await client.get("/it")).json() == 5
        assert await (await broker.request(1, "orders")).decode() == 6
