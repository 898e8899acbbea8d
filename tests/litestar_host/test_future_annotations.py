"""Handlers whose annotations are strings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from faststream import Context, Depends, Logger
from faststream.nats import NatsBroker
from litestar import Controller, Litestar
from litestar import get as litestar_get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath

from faststream_integrations.asgi import Header, JSONResponse, Query, get
from faststream_integrations.litestar import FastStreamPlugin, inject
from faststream_integrations.testing import asgi_client

if TYPE_CHECKING:
    from decimal import Decimal


class Session:
    name = "session"


async def user_of(x_user: Annotated[str, Header()], session: Session) -> str:
    return f"{x_user} of {session.name}"


class Things(Controller):
    @litestar_get("/things/{name:str}")
    @inject
    async def read(
        self,
        name: FromPath[str],
        session: NamedDependency[Session],
        number: NamedDependency[Decimal],
        answer: Annotated[int, Context()],
        logger: Logger,
        user: Annotated[str, Depends(user_of)],
    ) -> list[Any]:
        return [name, session.name, str(number), answer, user]


@get
async def handler(
    scope: Any, session: Session, q: Annotated[int, Query()], user: Annotated[str, Depends(user_of)]
) -> JSONResponse:
    return JSONResponse([session.name, q, user])


async def test_annotations_resolve_as_they_do_in_litestar():
    import decimal

    broker = NatsBroker()
    broker.context.set_global("answer", 42)
    app = Litestar(
        [Things],
        plugins=[FastStreamPlugin(broker, asgi_routes=[("/it", handler)])],
        dependencies={
            "session": Provide(Session, sync_to_thread=False),
            "number": Provide(lambda: decimal.Decimal(1), sync_to_thread=False),
        },
        signature_namespace={"Decimal": decimal.Decimal},
    )
    async with asgi_client(app, broker) as client:
        response = await client.get("/things/it", headers={"x-user": "me"})
        assert response.json() == ["it", "session", "1", 42, "me of session"]
        response = await client.get("/it?q=1", headers={"x-user": "me"})
        assert response.json() == ["session", 1, "me of session"]
