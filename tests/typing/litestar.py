"""Types of the Litestar adapter; mypy checks this file, nothing runs it."""

from collections.abc import Sequence
from typing import Annotated, Any

from faststream import Context, Depends, FastStream, Logger
from faststream.nats import NatsBroker
from faststream.rabbit import RabbitBroker
from faststream.specification import AsyncAPI
from faststream.specification.base import SpecificationFactory
from litestar import Controller, Litestar, get
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath
from typing_extensions import assert_type

from faststream_integrations import AsyncAPIRoute, make_ping_asgi
from faststream_integrations import get as faststream_get
from faststream_integrations.asgi import AsgiResponse
from faststream_integrations.environment import AnyBroker
from faststream_integrations.litestar import FastStreamPlugin, inject
from faststream_integrations.types import Receive, Scope, Send

broker = NatsBroker()
service = FastStream(broker)


@faststream_get
async def of_faststream() -> AsgiResponse:
    return AsgiResponse()


async def foreign(scope: Scope, receive: Receive, send: Send) -> None: ...


def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None: ...


plugin = FastStreamPlugin(
    broker,
    RabbitBroker(),
    service,
    asgi_routes=[("/a", of_faststream), ("/b", foreign), ("/c", make_ping_asgi(broker))],
    asyncapi_path=AsyncAPIRoute("/asyncapi"),
    specification=AsyncAPI(title="a"),
    guards=[guard],
    opt={"exclude_from_auth": True},
    dependency_key="nats",
    startup_timeout=5.0,
)
plugin.add_asgi_route("/d", foreign)
assert_type(plugin.brokers, Sequence[AnyBroker])
assert_type(plugin.specification, SpecificationFactory)


async def user(name: str) -> str:
    return name


@inject
async def injected(
    order_id: FromPath[int],
    logger: Logger,
    number: Annotated[int, Context()],
    user: Annotated[str, Depends(user)],
) -> list[str]:
    return [user]


async def called_by_hand(logger: Logger) -> None:
    assert_type(await injected(1, logger, 1, "a"), list[str])


class MyController(Controller):
    @get("/")
    @inject
    async def method(self, logger: Logger) -> str:
        return ""


app = Litestar(
    [get("/{order_id:int}")(injected), MyController],
    plugins=[plugin],
    dependencies={"it": Provide(inject(user))},
)
assert_type(app.plugins.get(FastStreamPlugin), FastStreamPlugin)
