"""What a user gets wrong first: the error says what to write, in every host."""

from typing import Any

import pytest
from faststream.asgi import AsgiFastStream as UpstreamAsgiFastStream
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker

from faststream_integrations import AsgiFastStream, AsgiResponse, FastStream, get, post, put
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.http.handlers import tell_of_upstream
from faststream_integrations.litestar import FastStreamPlugin
from tests.contract.hosts import HOSTS, Host


@pytest.fixture(params=[host for host in HOSTS if host.adopts], ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    return request.param


@get
async def ok():
    return AsgiResponse(b"ok")


# Decorators


@pytest.mark.parametrize(("decorator", "name"), [(get, "get"), (post, "post"), (put, "put")])
def test_path_in_the_decorator(decorator: Any, name):
    with pytest.raises(SetupError, match=rf"@{name} above .* asgi_routes=\[\(./orders., handler"):
        decorator("/orders")


@pytest.mark.parametrize("kind", ["subscriber", "publisher"])
def test_handler_above_a_decorator_of_the_broker(broker, kind):
    @getattr(broker, kind)("orders")
    async def order(body: int) -> int:
        return body

    with pytest.raises(SetupError, match=r"await broker\.publish"):
        post(order)


@pytest.mark.parametrize("kind", ["subscriber", "publisher"])
def test_decorator_of_the_broker_above_a_handler(host, broker, kind):
    route = getattr(broker, kind)("orders")(ok)
    with pytest.raises(SetupError, match="'.*/orders': .* handles messages"):
        host.build(NatsBroker(), asgi_routes=[("/orders", route)])


# Routes


@pytest.mark.parametrize("routes", [[ok], {"/ok": ok}, ["/a"], [("/a", ok, ok)], [{"/a": ok}]])
def test_routes_that_are_no_pairs(host, broker, routes):
    with pytest.raises(SetupError, match="pairs of a path and a handler"):
        host.build(broker, asgi_routes=routes)


# Names


@pytest.mark.parametrize("kind", [AsgiFastStream, FastStreamRouter, FastStreamPlugin])
@pytest.mark.parametrize("name", ["subscriber", "publisher"])
def test_subscribers_are_the_brokers(kind, name):
    with pytest.raises(AttributeError, match=rf"@broker\.{name}"):
        getattr(kind(NatsBroker()), name)


@pytest.mark.parametrize("kind", [FastStreamRouter, FastStreamPlugin])
@pytest.mark.parametrize(
    ("name", "advice"), [("broker", r"\.brokers\[0\]"), ("after_startup", r"FastStream\(broker")]
)
def test_names_of_upstreams_routers(kind, name, advice):
    with pytest.raises(AttributeError, match=advice):
        getattr(kind(NatsBroker()), name)


@pytest.mark.parametrize("kind", [AsgiFastStream, FastStreamRouter, FastStreamPlugin])
def test_unknown_name_is_an_ordinary_error(kind):
    with pytest.raises(AttributeError, match=f"'{kind.__name__}' object has no attribute 'othr'"):
        kind(NatsBroker()).othr  # noqa: B018


# Upstream's application


def test_upstreams_application_with_our_routes_says_once_what_to_do(caplog):
    tell_of_upstream.cache_clear()
    for _ in range(3):
        UpstreamAsgiFastStream(NatsBroker(), asgi_routes=[("/ok", ok), ("/also", ok)])
    messages = [record.message for record in caplog.records]
    assert len([message for message in messages if "starts before its brokers" in message]) == 1
    caplog.clear()
    tell_of_upstream.cache_clear()
    AsgiFastStream(NatsBroker(), asgi_routes=[("/ok", ok)])
    FastStream(NatsBroker()).as_asgi([("/ok", ok)])
    assert caplog.records == []
