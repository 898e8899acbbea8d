"""OpenAPI documents, the demo's among them, held against what their applications answer."""

import asyncio
from typing import Annotated

import pytest
import schemathesis
from fastapi import FastAPI
from faststream.nats import NatsBroker
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from examples.orders.fastapi_app import app as demo
from examples.orders.service import NewOrder, broker
from faststream_integrations.asgi import Body, Cookie, Header, JSONResponse, Path, Query, post
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.testing import asgi_client


@post
async def handler(
    number: Annotated[int, Path()],
    order: Annotated[NewOrder, Body()],
    limits: Annotated[list[int], Query("limit")] = [1],  # noqa: B006
    x_token: Annotated[float, Header()] = 0.0,
    session: Annotated[bool, Cookie()] = False,
):
    return JSONResponse([number, order, limits, x_token, session])


everything = FastAPI()
everything.include_router(
    FastStreamRouter(NatsBroker(), asgi_routes=[("/everything/{number}", handler)])
)


def operations_of(app):
    schema = schemathesis.openapi.from_dict(app.openapi())
    schema.validate()
    return [result.ok() for result in schema.get_all_operations()]


OPERATIONS = [
    pytest.param(app, operation, id=operation.label)
    for app in (demo, everything)
    for operation in operations_of(app)
]


def test_document_has_every_route():
    assert {param.id for param in OPERATIONS} == {
        "POST /orders",
        "GET /orders/{order_id}",
        "GET /health",
        "POST /everything/{number}",
    }


@pytest.mark.parametrize(("app", "operation"), OPERATIONS)
def test_every_answer_is_in_the_document(app, operation):
    statuses = set()
    loop = asyncio.new_event_loop()
    manager = asgi_client(app, broker, raise_app_exceptions=False)
    client = loop.run_until_complete(manager.__aenter__())

    async def ask(case):
        request = case.as_transport_kwargs(base_url=str(client.base_url))
        client.cookies = request.pop("cookies")
        if "data" in request:
            request["content"] = request.pop("data")
        return await client.request(**request)

    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=st.one_of(
            operation.as_strategy(generation_mode=mode) for mode in schemathesis.GenerationMode
        )
    )
    def check(case):
        response = loop.run_until_complete(ask(case))
        case.validate_response(response)
        statuses.add(response.status_code)

    try:
        check()
    finally:
        loop.run_until_complete(manager.__aexit__(None, None, None))
        loop.close()
    # The ids of orders are not to be guessed.
    assert min(statuses) < 300 or operation.path == "/orders/{order_id}"
