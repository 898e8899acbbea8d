from functools import partial
from typing import Any

from fastapi import FastAPI
from faststream.nats import NatsBroker
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from litestar import Litestar
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

from faststream_integrations import AsgiFastStream, post
from faststream_integrations.asgi import JSONResponse
from faststream_integrations.asgi.types import ASGIApp, Message, Receive, Scope, Send
from faststream_integrations.fastapi import FastStreamRouter
from faststream_integrations.litestar import FastStreamPlugin

provider = TracerProvider()  # with a span processor that exports to your collector
broker = NatsBroker(
    "nats://127.0.0.1:4222",
    middlewares=[NatsTelemetryMiddleware(tracer_provider=provider)],  # messages
)


@broker.subscriber("orders")
async def handle(order: str) -> None:
    with provider.get_tracer("orders").start_as_current_span("store"):
        ...


@post
async def order(scope: Scope) -> JSONResponse:
    await broker.publish("an order", "orders")
    return JSONResponse({})


def named_spans(app: Any) -> ASGIApp:
    """Name the span of a request by the template of its path."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start" and "route" in scope:
                template = f"{scope.get('root_path', '')}{scope['route'].path_format}"
                span = trace.get_current_span()
                span.update_name(f"{scope['method']} {template}")
                span.set_attribute("http.route", template)
            await send(message)

        await app(scope, receive, send_named)

    return named


routes = [("/orders/{order_id}", order)]
traced = partial(OpenTelemetryMiddleware, tracer_provider=provider)  # makes the span of a request

# One of the three.
without_a_framework = AsgiFastStream(
    broker, asgi_routes=routes, asgi_middlewares=[traced, named_spans]
)

with_fastapi = FastAPI()
with_fastapi.include_router(FastStreamRouter(broker, asgi_routes=routes))
with_fastapi.add_middleware(named_spans)
with_fastapi.add_middleware(traced)

with_litestar = traced(
    named_spans(Litestar(plugins=[FastStreamPlugin(broker, asgi_routes=routes)]))
)
