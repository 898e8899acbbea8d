"""Parcels without a web framework: RabbitMQ, metrics, traces and CORS."""

import os
from functools import partial
from typing import Annotated

from faststream import Depends, Logger
from faststream.rabbit import RabbitBroker, RabbitQueue
from faststream.rabbit.opentelemetry import RabbitTelemetryMiddleware
from faststream.rabbit.prometheus import RabbitPrometheusMiddleware
from faststream.specification import AsyncAPI
from opentelemetry import trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel
from starlette.middleware.cors import CORSMiddleware

from faststream_integrations import (
    AsgiFastStream,
    AsgiResponse,
    Body,
    Header,
    Path,
    RequestError,
    get,
    make_liveness_asgi,
    make_readiness_asgi,
    post,
)
from faststream_integrations.asgi.types import ASGIApp, Message, Receive, Scope, Send
from faststream_integrations.prometheus import HealthCollector

QUEUE = os.environ.get("QUEUE", "parcels")

registry = CollectorRegistry()
tracing = TracerProvider()  # with a span processor that exports to your collector
broker = RabbitBroker(
    os.environ.get("RABBIT_URL", "amqp://guest:guest@127.0.0.1:5672/"),
    middlewares=[
        RabbitPrometheusMiddleware(registry=registry),
        RabbitTelemetryMiddleware(tracer_provider=tracing),
    ],
)
registry.register(HealthCollector(broker))


class NewParcel(BaseModel):
    to: str
    grams: int


class Parcel(NewParcel):
    id: int
    status: str = "announced"


parcels: dict[int, Parcel] = {}  # stands for a database


# Messages


@broker.subscriber(RabbitQueue(QUEUE, auto_delete=True))
async def pick_up(parcel: Parcel, logger: Logger) -> None:
    parcels[parcel.id].status = "on its way"
    logger.info("Parcel %d is on its way to %s", parcel.id, parcel.to)


# Requests


def check_key(x_key: Annotated[str, Header(default="")]) -> str:
    if x_key != os.environ.get("API_KEY", "key"):
        raise RequestError(401, "A key is wanted", headers={"WWW-Authenticate": "Key"})
    return x_key


@post(status_code=202)
async def announce(
    new: Annotated[NewParcel, Body()], key: Annotated[str, Depends(check_key)]
) -> Parcel:
    parcel = Parcel(id=len(parcels) + 1, to=new.to, grams=new.grams)
    parcels[parcel.id] = parcel
    await broker.publish(parcel, QUEUE)
    return parcel


@get
async def track(parcel_id: Annotated[int, Path()]) -> Parcel:
    if parcel_id not in parcels:
        raise RequestError(404, "No such parcel")
    return parcels[parcel_id]


@get(include_in_schema=False)
async def metrics() -> AsgiResponse:
    return AsgiResponse(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


# The application


def named_spans(app: ASGIApp) -> ASGIApp:
    """Name the span of a request by the template of its path."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start" and "route" in scope:
                template = scope["route"].path_format
                span = trace.get_current_span()
                span.update_name(f"{scope['method']} {template}")
                span.set_attribute("http.route", template)
            await send(message)

        await app(scope, receive, send_named)

    return named


app = AsgiFastStream(
    broker,
    asgi_routes=[
        ("/parcels", announce),
        ("/parcels/{parcel_id}", track),
        ("/metrics", metrics),
        ("/live", make_liveness_asgi(broker)),
        ("/ready", make_readiness_asgi(broker)),
    ],
    asyncapi_path="/asyncapi",
    specification=AsyncAPI(title="Parcels", version="3.1.0"),
    asgi_middlewares=[
        partial(OpenTelemetryMiddleware, tracer_provider=tracing, excluded_urls="live,ready"),
        partial(
            CORSMiddleware,
            allow_origins=["https://parcels.example"],
            allow_methods=["GET", "POST"],
            allow_headers=["x-key"],
        ),
        named_spans,
    ],
)
