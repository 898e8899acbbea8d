"""The AsyncAPI page as routes of FastAPI."""

import re
from typing import Annotated

import fastapi
import pytest
from fastapi import APIRouter, FastAPI, HTTPException
from faststream import FastStream
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations import AsyncAPIRoute
from faststream_integrations.asgi import AsgiResponse, get
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client


@pytest.fixture
def broker():
    broker = NatsBroker()

    @broker.subscriber("orders")
    async def subscriber(message: str):
        return None

    return broker


def addresses_of(document):
    # faststream 0.7.0 names the subscriber in the address.
    return [channel["address"] for channel in document["channels"].values()]


def app_of(broker, asyncapi_path, *, prefix="", include=None, **options):
    app = FastAPI()
    outer = APIRouter(prefix=prefix)
    outer.include_router(
        FastStreamRouter(broker, asyncapi_path=asyncapi_path, **options), **(include or {})
    )
    app.include_router(outer)
    return app


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_page_and_everything_that_it_needs_are_served(broker, prefix):
    app = app_of(broker, "/asyncapi", prefix=prefix, specification=AsyncAPI(title="Orders"))
    async with asgi_client(app, broker) as client:
        page = await client.get(f"{prefix}/asyncapi")
        assert page.status_code == 200
        assert "Orders" in page.text
        urls = re.findall(r'(?:src|href)="([^"#]+)"', page.text)
        assert len(urls) > 1
        for url in urls:
            assert (await client.get(page.url.join(url))).status_code == 200, url
        document = (await client.get(f"{prefix}/asyncapi.json")).json()
        assert [address.partition(":")[0] for address in addresses_of(document)] == ["orders"]
        assert (await client.head(f"{prefix}/asyncapi")).content == b""
        assert (await client.post(f"{prefix}/asyncapi")).status_code == 405


async def test_page_is_in_no_document_unless_it_is_asked_for(broker):
    hidden = app_of(broker, "/asyncapi")
    assert hidden.openapi()["paths"] == {}
    shown = app_of(broker, AsyncAPIRoute("/asyncapi", "The page", include_in_schema=True))
    paths = shown.openapi()["paths"]
    assert set(paths) == {"/asyncapi", "/asyncapi.json", "/asyncapi.yaml", "/asyncapi/try"}
    assert paths["/asyncapi"]["get"]["description"] == "The page"


async def authenticate(authorization: Annotated[str | None, fastapi.Header()] = None):
    if authorization != "me":
        raise HTTPException(401)


@pytest.mark.parametrize("where", ["router", "include", "application"])
async def test_dependencies_guard_page_document_files_and_try_it_out(broker, where):
    dependencies = {"dependencies": [fastapi.Depends(authenticate)]}
    app = FastAPI(**dependencies if where == "application" else {})
    router = FastStreamRouter(
        broker, asyncapi_path="/asyncapi", **dependencies if where == "router" else {}
    )
    app.include_router(router, **dependencies if where == "include" else {})
    form = {"channelName": "orders", "message": {"message": "m"}}
    endpoints = AsyncAPIRoute("/asyncapi").endpoints(AsyncAPI())
    assert len(endpoints) == 7
    async with asgi_client(app, broker) as client:
        for path, method, _, _ in endpoints:
            request = client.build_request(method, path, json=form)
            assert (await client.send(request)).status_code == 401, path
            request.headers["authorization"] = "me"
            assert (await client.send(request)).status_code == 200, path


async def test_try_it_out_gets_the_body_that_a_dependency_has_read(broker):
    async def audit(request: fastapi.Request):
        assert b"orders" in await request.body()

    app = app_of(broker, "/asyncapi", dependencies=[fastapi.Depends(audit)])
    form = {"channelName": "orders", "message": {"message": "m"}}
    async with asgi_client(app, broker) as client:
        assert (await client.post("/asyncapi/try", json=form)).json() == "ok"


@pytest.mark.parametrize("specification", [None, AsyncAPI()])
async def test_broker_that_is_added_late_is_in_the_document(specification):
    target = FastStream()

    @target.on_startup
    async def add_broker():
        broker = NatsBroker()
        broker.subscriber("late")(lambda message: None)

        async def nothing(*args):
            pass

        broker.start = broker.stop = nothing
        target.add_broker(broker)

    app = app_of(target, "/asyncapi", specification=specification)
    async with asgi_client(app) as client:
        document = (await client.get("/asyncapi.json")).json()
    assert [address.partition(":")[0] for address in addresses_of(document)] == ["late"]


async def test_route_that_is_added_late_is_in_the_document(broker):
    app = FastAPI()
    router = FastStreamRouter(broker, asyncapi_path="/asyncapi")
    app.include_router(router)

    @get
    async def late() -> AsgiResponse:
        return AsgiResponse(b"late")

    async with asgi_client(app, broker) as client:
        before = (await client.get("/asyncapi.json")).json()["channels"]
        router.add_asgi_route("/late", late)
        after = (await client.get("/asyncapi.json")).json()["channels"]
    assert len(after) == len(before) + 1
    assert "/late" in {channel["address"] for channel in after.values()}


async def test_messages_are_tried_out(broker):
    @broker.subscriber("echo")
    async def echo(message: str):
        return message

    form = {"channelName": "echo:Echo", "message": {"message": "m"}}
    app = app_of(broker, "/asyncapi", prefix="/v1")
    async with asgi_client(app, broker, base_url="http://docs.example.com") as client:
        assert (await client.post("/v1/asyncapi/try", json=form)).json() == "m"
        assert (await client.get("/v1/asyncapi/try")).status_code == 405

    app = app_of(broker, AsyncAPIRoute("/asyncapi", try_it_out=False))
    async with asgi_client(app, broker) as client:
        assert (await client.post("/asyncapi/try", json=form)).status_code == 404
