"""The AsyncAPI document speaks of the application as its OpenAPI document does, and is one."""

import json
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI, Tag
from litestar import Litestar, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException as LitestarHTTPException
from litestar.exceptions import NotAuthorizedException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Contact, License
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import PlainTextResponse

from faststream_integrations.asgi import AsgiResponse, HttpHandler, RequestError, get
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.testing import asgi_client

# FastStream checks addresses only where email-validator is installed, and warns elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore:email-validator not installed")

CONTACT = {"name": "Ada", "url": "https://example.com/ada", "email": "ada@example.com"}
LICENSE = {"name": "MIT", "url": "https://example.com/mit"}
ABOUT = {
    "title": "Orders",
    "version": "2.1.0",
    "description": "Takes *orders*.",
}
TERMS = "https://example.com/terms"


def build_fastapi(target: Any, **options: Any) -> Any:
    app = FastAPI(**ABOUT, contact=CONTACT, license_info=LICENSE, terms_of_service=TERMS)
    app.include_router(FastStreamRouter(target, asyncapi_path="/asyncapi", **options))
    return app


def build_litestar(target: Any, **options: Any) -> Any:
    return Litestar(
        plugins=[FastStreamPlugin(target, asyncapi_path="/asyncapi", **options)],
        openapi_config=OpenAPIConfig(
            **ABOUT,
            contact=Contact(**CONTACT),
            license=License(**LICENSE),
            terms_of_service=TERMS,
        ),
    )


BUILDS = pytest.mark.parametrize("build", [build_fastapi, build_litestar])


async def info_of(app: Any, broker: NatsBroker) -> dict[str, Any]:
    async with asgi_client(app, broker) as client:
        page = (await client.get("/asyncapi")).text
        info: dict[str, Any] = (await client.get("/asyncapi.json")).json()["info"]
    assert f"<title>{info['title']}" in page
    return info


@BUILDS
@pytest.mark.parametrize("wrap", [lambda broker: broker, FastStream])
@pytest.mark.parametrize("schema_version", ["3.0.0", "2.6.0", None])
async def test_document_takes_what_the_application_says_of_itself(build, wrap, schema_version):
    broker = NatsBroker()
    options = {"specification": AsyncAPI(schema_version=schema_version)} if schema_version else {}
    info = await info_of(build(wrap(broker), **options), broker)
    assert info == {**ABOUT, "termsOfService": TERMS, "contact": CONTACT, "license": LICENSE}


@BUILDS
@pytest.mark.parametrize("by", ["router", "application"])
async def test_specification_comes_first(build, by):
    broker = NatsBroker()
    specification = AsyncAPI(title="Events", description="Of *orders*.", license={"name": "BSD"})
    if by == "router":
        app = build(broker, specification=specification)
    else:
        app = build(FastStream(broker, specification=specification))
    info = await info_of(app, broker)
    assert (info["title"], info["description"]) == ("Events", "Of *orders*.")
    assert info["license"] == {"name": "BSD"}
    assert (info["version"], info["contact"]) == ("2.1.0", CONTACT)


# One document, whose page alone is guarded


@get
async def ok() -> AsgiResponse:
    return AsgiResponse(b"ok")


def guarded_in_fastapi(broker: NatsBroker) -> Any:
    def guard(request: Request) -> None:
        if "x-admin" not in request.headers:
            raise HTTPException(401)

    orders = FastStreamRouter(broker, asgi_routes=[("/orders", ok)])
    docs = FastStreamRouter(
        broker,
        asyncapi_path="/asyncapi",
        specification=orders.specification,
        dependencies=[Depends(guard)],
    )
    orders.add_asgi_route("/later", ok)
    app = FastAPI()
    app.include_router(orders)
    app.include_router(docs)
    return app


def guarded_in_litestar(broker: NatsBroker) -> Any:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: Any) -> None:
        if "x-admin" not in connection.headers:
            raise NotAuthorizedException

    orders = FastStreamPlugin(broker, asgi_routes=[("/orders", ok)])
    docs = FastStreamPlugin(
        broker, asyncapi_path="/asyncapi", specification=orders.specification, guards=[guard]
    )
    orders.add_asgi_route("/later", ok)
    return Litestar(plugins=[orders, docs])


@pytest.mark.parametrize("build", [guarded_in_fastapi, guarded_in_litestar])
async def test_page_alone_is_guarded_and_its_document_has_everything(build):
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def order(body: int) -> None: ...

    async with asgi_client(build(broker), broker) as client:
        assert (await client.get("/orders")).text == "ok"
        for path in ("/asyncapi", "/asyncapi.json", "/asyncapi.yaml"):
            assert (await client.get(path)).status_code == 401
        assert (await client.post("/asyncapi/try", json={})).status_code == 401
        admin = {"x-admin": "1"}
        assert (await client.get("/asyncapi", headers=admin)).status_code == 200
        document = (await client.get("/asyncapi.json", headers=admin)).json()
        body = {"channelName": "orders:Order", "message": {"message": 1}}
        tried = await client.post("/asyncapi/try", json=body, headers=admin)
    addresses = sorted(channel["address"] for channel in document["channels"].values())
    assert len(document["servers"]) == 1
    assert [address.partition(":")[0] for address in addresses] == ["/later", "/orders", "orders"]
    assert tried.status_code == 200, json.dumps(tried.json())


# The names of a handler in OpenAPI


@pytest.mark.parametrize("build", [build_fastapi, build_litestar])
async def test_operations_have_the_handlers_tags_and_an_id_for_each_method(build):
    async def answer() -> AsgiResponse:
        return AsgiResponse()

    tags = [{"name": "a"}, Tag(name="b")]
    both = HttpHandler(answer, methods=["GET", "PUT"], tags=tags, unique_id="both")
    one = HttpHandler(answer, methods=["GET"], unique_id="one")
    broker = NatsBroker()
    app = build(broker, asgi_routes=[("/both", both), ("/one", one)])
    async with asgi_client(app, broker) as client:
        path = "/openapi.json" if isinstance(app, FastAPI) else "/schema/openapi.json"
        paths = (await client.get(path)).json()["paths"]
    operations = {
        operation["operationId"]: operation.get("tags")
        for path in ("/both", "/one")
        for operation in paths[path].values()
    }
    assert operations == {"both_get": ["a", "b"], "both_put": ["a", "b"], "one": None}


# What a handler refuses, in the host's own exception handlers


@get
async def refusing() -> AsgiResponse:
    raise RequestError(401, "Who are you?", headers={"WWW-Authenticate": "Bearer"})


@pytest.mark.parametrize("host", ["fastapi", "litestar"])
async def test_error_reaches_the_hosts_exception_handler_with_its_headers(host):
    seen: list[Any] = []
    broker = NatsBroker()
    routes = [("/it", refusing)]
    if host == "fastapi":
        app: Any = FastAPI()
        app.include_router(FastStreamRouter(broker, asgi_routes=routes))

        @app.exception_handler(StarletteHTTPException)
        async def handle(_: Request, error: StarletteHTTPException) -> PlainTextResponse:
            seen.append((error.status_code, error.detail, error.headers))
            return PlainTextResponse("own", error.status_code)
    else:

        def handle_litestar(_: Any, error: LitestarHTTPException) -> Response[str]:
            seen.append((error.status_code, error.detail, error.headers))
            return Response("own", status_code=error.status_code)

        app = Litestar(
            plugins=[FastStreamPlugin(broker, asgi_routes=routes)],
            exception_handlers={LitestarHTTPException: handle_litestar},
        )
    async with asgi_client(app, broker) as client:
        response = await client.get("/it")
    assert (response.status_code, response.text) == (401, "own")
    (status, detail, headers), *others = seen
    assert (status, detail, others) == (401, "Who are you?", [])
    assert {name.lower(): value for name, value in headers.items()} == {
        "www-authenticate": "Bearer"
    }
