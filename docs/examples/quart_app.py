from typing import Annotated

from faststream import Logger
from faststream.nats import NatsBroker
from quart import Quart
from quart_faststream import init_app

from faststream_integrations import get, make_ping_asgi
from faststream_integrations.asgi import JSONResponse, Path

broker = NatsBroker("nats://127.0.0.1:4222")


@get
async def hello(name: Annotated[str, Path()], logger: Logger) -> JSONResponse:
    logger.info("Greeting %s", name)
    await broker.publish(name, "greetings")
    return JSONResponse({"greeted": name})


app = Quart(__name__)
init_app(
    app,
    broker,
    asgi_routes=[("/hello/{name}", hello), ("/health", make_ping_asgi(broker, timeout=5.0))],
)
