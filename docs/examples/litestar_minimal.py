from typing import Annotated

from faststream import Logger
from faststream.nats import NatsBroker
from litestar import Litestar

from faststream_integrations import get, make_ping_asgi
from faststream_integrations.asgi import JSONResponse, Path, Query
from faststream_integrations.litestar import FastStreamPlugin

broker = NatsBroker("nats://127.0.0.1:4222")


@broker.subscriber("greetings")
async def on_greeting(name: str, logger: Logger) -> None:
    logger.info("Hello, %s!", name)


@get
async def hello(name: Annotated[str, Path()], times: Annotated[int, Query()] = 1) -> JSONResponse:
    """Greet somebody."""
    for _ in range(times):
        await broker.publish(name, "greetings")
    return JSONResponse({"greeted": name, "times": times})


app = Litestar(
    plugins=[
        FastStreamPlugin(
            broker,
            asgi_routes=[
                ("/hello/{name}", hello),
                ("/health", make_ping_asgi(broker, timeout=5.0)),
            ],
            asyncapi_path="/asyncapi",
        )
    ],
)
