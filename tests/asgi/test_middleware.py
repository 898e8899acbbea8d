"""Middleware around `AsgiFastStream`: the one that people use, for real."""

import gzip
from functools import partial

import pytest
import sentry_sdk
from asgi_correlation_id import CorrelationIdMiddleware, correlation_id
from faststream import Context
from faststream.exceptions import SetupError
from faststream.nats import NatsBroker
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.integrations.asgi import SentryAsgiMiddleware
from sentry_sdk.integrations.logging import LoggingIntegration
from sentry_sdk.transport import Transport
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from faststream_integrations import (
    AsgiFastStream,
    AsgiResponse,
    FastStream,
    broker_lifespan,
    get,
    post,
)
from faststream_integrations.testing import asgi_client

ORIGIN = {"origin": "https://example.com"}
PREFLIGHT = {**ORIGIN, "access-control-request-method": "POST"}
CORS = partial(CORSMiddleware, allow_origins=["https://example.com"], allow_methods=["POST"])


@get
async def text():
    return AsgiResponse(b"text " * 1000)


@post
async def order():
    return AsgiResponse(b"ordered", 201)


@get
async def failing():
    msg = "a secret"
    raise RuntimeError(msg)


ROUTES = [("/text", text), ("/orders/{order_id}", order), ("/failing", failing)]


def by_argument(*middlewares):
    return AsgiFastStream(asgi_routes=ROUTES, asgi_middlewares=middlewares)


def by_method(*middlewares):
    app = AsgiFastStream(asgi_routes=ROUTES)
    for middleware in reversed(middlewares):
        app.add_middleware(middleware)
    return app


def by_as_asgi(*middlewares):
    return FastStream().as_asgi(ROUTES, asgi_middlewares=middlewares)


def by_from_app(*middlewares):
    return AsgiFastStream.from_app(FastStream(), ROUTES, asgi_middlewares=middlewares)


def mounted(*middlewares):
    inner = by_argument(*middlewares)
    return Starlette(lifespan=broker_lifespan(inner), routes=[Mount("/below", inner)])


@pytest.fixture(params=[by_argument, by_method, by_as_asgi, by_from_app, mounted])
def client_of(request):
    """Make a client of an application that got its middlewares in one of the ways."""
    prefix = "/below" if request.param is mounted else ""

    def make(*middlewares):
        return asgi_client(
            request.param(*middlewares),
            base_url=f"http://testserver{prefix}",
            raise_app_exceptions=False,
        )

    return make


class Noting:
    """Notes what it sees, under its name."""

    def __init__(self, app, name, notes):
        self.app, self.name, self.notes = app, name, notes

    async def __call__(self, scope, receive, send):
        self.notes.append((self.name, scope["type"]))
        await self.app(scope, receive, send)


# What is a middleware


async def test_first_one_is_outermost_and_lifespan_passes_by(client_of):
    notes = []
    async with client_of(
        partial(Noting, name="first", notes=notes),
        Middleware(Noting, "second", notes=notes),
        lambda app: Noting(app, "third", notes),
    ) as client:
        assert notes == []
        await client.get("/text")
    assert notes == [("first", "http"), ("second", "http"), ("third", "http")]


async def test_one_that_is_added_is_outermost():
    notes = []
    app = AsgiFastStream(
        asgi_routes=ROUTES, asgi_middlewares=[partial(Noting, name="inner", notes=notes)]
    )
    app.add_middleware(Noting, "outer", notes=notes)
    app.add_middleware(Middleware(Noting, "outermost", notes=notes))
    async with asgi_client(app) as client:
        await client.get("/text")
    assert [name for name, _ in notes] == ["outermost", "outer", "inner"]


async def test_websockets_and_unknown_paths_pass_through_them():
    notes = []
    app = by_argument(partial(Noting, name="it", notes=notes))
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/text", "headers": []}
    await app(scope, receive, send)
    assert (notes, sent) == ([("it", "websocket")], ["websocket.close"])
    async with asgi_client(app) as client:
        assert (await client.get("/unknown")).status_code == 404
    assert notes[-1] == ("it", "http")


async def dispatch(request, call_next):
    return await call_next(request)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dispatch, "does not take an application"),
        ("CORSMiddleware", "is no middleware"),
        (lambda app: None, "made None, no ASGI application"),
        (Noting, "does not take an application"),
    ],
)
def test_what_is_no_middleware_is_refused(wrong, message):
    with pytest.raises(SetupError, match=f"{message}.*partial"):
        AsgiFastStream(asgi_middlewares=[wrong])
    with pytest.raises(SetupError, match=f"{message}.*partial"):
        AsgiFastStream().add_middleware(wrong)


# Those that people use


@pytest.mark.parametrize(
    "middleware",
    [CORS, Middleware(CORSMiddleware, allow_origins=ORIGIN.values(), allow_methods=["POST"])],
)
async def test_cors(client_of, middleware):
    async with client_of(middleware) as client:
        preflight = await client.options("/orders/1", headers=PREFLIGHT)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://example.com"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        wrong = await client.options("/orders/1", headers={**PREFLIGHT, "origin": "https://evil"})
        assert wrong.status_code == 400
        answer = await client.post("/orders/1", headers=ORIGIN)
        assert (answer.status_code, answer.text) == (201, "ordered")
        assert answer.headers["access-control-allow-origin"] == "https://example.com"
        failed = await client.get("/failing", headers=ORIGIN)
        assert failed.status_code == 500
        assert failed.headers["access-control-allow-origin"] == "https://example.com"
        plain = await client.options("/orders/1")
        assert (plain.status_code, plain.headers["allow"]) == (204, "POST, OPTIONS")


async def test_gzip(client_of):
    async with (
        client_of(GZipMiddleware) as client,
        client.stream("GET", "/text", headers={"accept-encoding": "gzip"}) as response,
    ):
        body = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert gzip.decompress(body) == b"text " * 1000


async def test_middleware_of_starlette_that_is_a_function(client_of):
    async def mark(request, call_next):
        response = await call_next(request)
        response.headers["x-marked"] = request.url.path
        return response

    async with client_of(partial(BaseHTTPMiddleware, dispatch=mark)) as client:
        response = await client.post("/orders/1")
    assert response.headers["x-marked"].endswith("/orders/1")


async def test_request_ids_reach_handlers_and_messages():
    broker = NatsBroker()
    seen = []

    @broker.subscriber("orders")
    async def subscriber(body: str, message=Context()):
        seen.append(message.correlation_id)

    @post
    async def publish():
        await broker.publish("tea", "orders", correlation_id=correlation_id.get())
        return AsgiResponse()

    app = AsgiFastStream(
        broker,
        asgi_routes=[("/orders", publish)],
        asgi_middlewares=[CorrelationIdMiddleware],
    )
    request_id = "7d4b2f5c0f6e4d6d9d1f8e6a3b2c1d0e"
    async with asgi_client(app, broker) as client:
        response = await client.post("/orders", headers={"x-request-id": request_id})
    assert response.headers["x-request-id"] == request_id
    assert seen == [request_id]


async def test_opentelemetry_has_spans_and_metrics_with_the_template(client_of):
    spans, metrics = InMemorySpanExporter(), InMemoryMetricReader()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(spans))
    middleware = partial(
        OpenTelemetryMiddleware,
        tracer_provider=tracing,
        meter_provider=MeterProvider([metrics]),
    )
    async with client_of(middleware) as client:
        for number in range(3):
            await client.post(f"/orders/{number}")
        await client.get("/failing")
    server = [span for span in spans.get_finished_spans() if span.kind.name == "SERVER"]
    assert [span.attributes["http.status_code"] for span in server] == [201, 201, 201, 500]
    assert not server[-1].status.is_ok
    (scope,) = metrics.get_metrics_data().resource_metrics[0].scope_metrics
    durations = next(each for each in scope.metrics if each.name == "http.server.duration")
    counts = {point.attributes["http.target"]: point.count for point in durations.data.data_points}
    prefix = client.base_url.path.rstrip("/")
    assert counts == {f"{prefix}/orders/{{order_id}}": 3, f"{prefix}/failing": 1}


class InMemoryTransport(Transport):
    def __init__(self, events):
        super().__init__()
        self.events = events

    def capture_envelope(self, envelope):
        self.events += [item.payload.json for item in envelope.items]


async def test_sentry_sees_the_exception_and_the_request(client_of):
    events = []
    transport = InMemoryTransport(events)
    with sentry_sdk.isolation_scope():
        # Its integrations would patch Litestar, Starlette and threads for every test to come;
        # tests/services/test_sentry.py runs them in a process of their own.
        sentry_sdk.init(
            "http://key@localhost/1",
            transport=transport,
            traces_sample_rate=1.0,
            integrations=[LoggingIntegration()],
            default_integrations=False,
            auto_enabling_integrations=False,
        )
        try:
            async with client_of(SentryAsgiMiddleware) as client:
                assert (await client.get("/failing")).status_code == 500
                assert (await client.post("/orders/1")).status_code == 201
        finally:
            sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)
    errors = [event for event in events if event.get("exception")]
    assert [event["exception"]["values"][-1]["value"] for event in errors] == ["a secret"]
    assert errors[0]["request"]["url"].endswith("/failing")
    transactions = [event for event in events if event.get("type") == "transaction"]
    assert len(transactions) == 2
