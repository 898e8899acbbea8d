"""A shop's service, and every way to serve its page."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

import litestar
from fastapi import FastAPI
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from litestar import Litestar
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from faststream_integrations.asgi import AsgiFastStream, AsgiResponse, get
from faststream_integrations.asyncapi import AsyncAPIRoute, make_asyncapi_asgi
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin
from faststream_integrations.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")


class Item(BaseModel):
    sku: str = Field(examples=["TEA-01"], description="Stock keeping unit")
    amount: int = Field(gt=0, examples=[2])


class Order(BaseModel):
    """An order as the shop sends it."""

    id: int = Field(examples=[42])
    customer: str = Field(examples=["Ada"])
    items: list[Item]
    priority: Literal["low", "normal", "high"] = "normal"
    replaces: "Order | None" = None


class Invoice(BaseModel):
    order_id: int
    total: float


def make_specification(schema_version: str = "3.0.0") -> AsyncAPI:
    broker = NatsBroker(description="Where the shop's services meet")

    @broker.subscriber("orders.new")
    @broker.publisher("invoices.created")
    async def take_order(order: Order) -> Invoice:
        """Takes a new order and writes **its invoice**.

        The *total* is the sum of all items.
        """
        return Invoice(order_id=order.id, total=9.5 * sum(item.amount for item in order.items))

    @broker.subscriber("orders.*.cancelled")
    async def cancel(order_id: int, reason: str = "none") -> None:
        """Forgets an order; `reason` is for the shop's statistics."""

    @get
    async def version() -> AsgiResponse:
        """The version that runs."""
        return AsgiResponse(b"1.4.0")

    specification = AsyncAPI(
        broker,
        title="Order service",
        version="1.4.0",
        description="Takes orders from the shop and writes their *invoices*.",
        license={"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        schema_version=schema_version,
    )
    specification.add_http_route("/version", version)
    return specification


class Host(NamedTuple):
    app: ASGIApp
    path: str


def at_the_root() -> Host:
    return Host(make_asyncapi_asgi(make_specification()), "/")


def in_dispatcher() -> Host:
    docs = make_asyncapi_asgi(make_specification())

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/docs"):
            await docs({**scope, "root_path": "/docs"}, receive, send)
        else:
            await Starlette()(scope, receive, send)

    return Host(app, "/docs")


def in_starlette() -> Host:
    docs = make_asyncapi_asgi(make_specification())
    return Host(Starlette(routes=[Mount("/a/docs", app=docs)]), "/a/docs/")


def in_fastapi() -> Host:
    app = FastAPI()
    app.mount("/docs/asyncapi", make_asyncapi_asgi(make_specification()))
    return Host(app, "/docs/asyncapi")


def in_litestar() -> Host:
    docs = make_asyncapi_asgi(make_specification())

    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await docs(scope, receive, send)

    handler = litestar.asgi("/docs/asyncapi", is_mount=True, copy_scope=True)(mounted)
    return Host(Litestar([handler], logging_config=None), "/docs/asyncapi")


def of_the_older_version() -> Host:
    docs = make_asyncapi_asgi(make_specification("2.6.0"))
    return Host(Starlette(routes=[Mount("/docs", app=docs)]), "/docs/")


def routes_of_starlette() -> Host:
    endpoints = AsyncAPIRoute("/docs/asyncapi").endpoints(make_specification())
    routes = [Route(e.path, e.app, methods=[e.method]) for e in endpoints]
    return Host(Starlette(routes=routes), "/docs/asyncapi")


def with_page(make: Callable[..., T]) -> T:
    specification = make_specification()
    return make(*specification.brokers, specification=specification, asyncapi_path="/docs/asyncapi")


def routes_of_faststream() -> Host:
    return Host(with_page(AsgiFastStream), "/docs/asyncapi")


def routes_of_fastapi() -> Host:
    app = FastAPI()
    app.include_router(with_page(FastStreamRouter), prefix="/v1")
    return Host(app, "/v1/docs/asyncapi")


def routes_of_litestar() -> Host:
    plugin = with_page(FastStreamPlugin)
    return Host(Litestar(plugins=[plugin], logging_config=None), "/docs/asyncapi/")


def mounted(host: Host) -> Host:
    return Host(Starlette(routes=[Mount("/outside", app=host.app)]), f"/outside{host.path}")


def behind_a_stripped_prefix(host: Host) -> Host:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith("/outside/")
            path = scope["path"].removeprefix("/outside")
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await host.app(scope, receive, send)

    return Host(app, f"/outside{host.path}")


MOUNTS = [at_the_root, in_dispatcher, in_starlette, in_fastapi, in_litestar, of_the_older_version]
ROUTES = [routes_of_starlette, routes_of_faststream, routes_of_fastapi, routes_of_litestar]
HOSTS = {
    **{make.__name__: make for make in (*MOUNTS, *ROUTES)},
    **{
        f"{make.__name__}, {outer.__name__}": lambda make=make, outer=outer: outer(make())
        for outer in (mounted, behind_a_stripped_prefix)
        for make in (in_starlette, *ROUTES[1:])
    },
}
