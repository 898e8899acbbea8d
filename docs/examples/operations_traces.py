from fastapi import FastAPI
from faststream.nats import NatsBroker
from faststream.nats.opentelemetry import NatsTelemetryMiddleware
from litestar import Litestar
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider

from faststream_integrations import AsgiFastStream, post
from faststream_integrations.asgi import JSONResponse
from faststream_integrations.asgi.types import Scope
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


routes = [("/orders", order)]

# One of the three; the middleware of OpenTelemetry makes the span of the request.
without_a_framework = OpenTelemetryMiddleware(
    AsgiFastStream(broker, asgi_routes=routes), tracer_provider=provider
)

with_fastapi = FastAPI()
with_fastapi.include_router(FastStreamRouter(broker, asgi_routes=routes))
with_fastapi.add_middleware(OpenTelemetryMiddleware, tracer_provider=provider)

with_litestar = OpenTelemetryMiddleware(
    Litestar(plugins=[FastStreamPlugin(broker, asgi_routes=routes)]), tracer_provider=provider
)
