"""The integration that "write your own" shows keeps the promises that every host keeps."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from faststream.nats import NatsBroker
from quart import Quart

from faststream_integrations.testing import asgi_client
from tests.contract import (
    test_context,
    test_dependencies,
    test_errors,
    test_lifecycle,
    test_parameters,
    test_responses,
)
from tests.contract.hosts import Host, Routes
from tests.docs.examples import example

OF_QUART_ITSELF = {
    # Quart's error handlers see exceptions; without one it logs them and answers 500.
    "test_exception_of_the_user_reaches_the_host_or_the_log",
    # The startup fails, by a message to the server that does not name the exception.
    "test_broker_that_started_stops_when_the_next_one_fails",
    "test_every_broker_is_stopped_when_one_fails_to",
    # Quart reads a websocket's messages for as long as they come, and here they never end.
    "test_websocket_on_a_handler_is_closed",
}

for module in (
    test_context,
    test_dependencies,
    test_errors,
    test_lifecycle,
    test_parameters,
    test_responses,
):
    globals().update(
        {
            name: value
            for name, value in vars(module).items()
            if name.startswith("test_") and name not in OF_QUART_ITSELF
        }
    )


@pytest.fixture(scope="module")
def quart_faststream() -> Iterator[ModuleType]:
    with example("quart_faststream.py") as imported:
        yield imported


@pytest.fixture
def broker() -> NatsBroker:
    return NatsBroker()


@pytest.fixture
def host(quart_faststream: ModuleType) -> Host:
    def build(*brokers_or_app: Any, asgi_routes: Routes = (), **options: Any) -> Quart:
        app = Quart("tests")
        quart_faststream.init_app(app, *brokers_or_app, asgi_routes=asgi_routes, **options)
        return app

    return Host("quart", build)


async def test_application_of_the_page():
    with example("quart_app.py") as main:
        async with asgi_client(main.app, main.broker) as client:
            assert (await client.get("/hello/ada")).json() == {"greeted": "ada"}
            assert (await client.get("/health")).status_code == 204


async def test_error_handler_of_quart_sees_the_exception_of_a_handler(host, broker):
    from faststream_integrations import get

    class OrderError(Exception):
        pass

    @get
    async def handler():
        raise OrderError

    app = host.build(broker, asgi_routes=[("/it", handler)])

    @app.errorhandler(OrderError)
    async def handle(error):
        return "mine", 418

    async with asgi_client(app, broker) as client:
        response = await client.get("/it")
        assert (response.status_code, response.text) == (418, "mine")
