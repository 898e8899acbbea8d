from fastapi import FastAPI
from faststream.nats import NatsBroker

from faststream_integrations import make_ping_asgi
from faststream_integrations.fastapi import FastStreamRouter, Logger

broker = NatsBroker("nats://127.0.0.1:4222")
router = FastStreamRouter(
    broker,
    asgi_routes=[("/health", make_ping_asgi(broker, timeout=5.0))],
    asyncapi_path="/asyncapi",
)


@broker.subscriber("greetings")
async def on_greeting(name: str, logger: Logger) -> None:
    logger.info("Hello, %s", name)


@router.post("/greetings/{name}", status_code=202)
async def greet(name: str, logger: Logger) -> None:
    await broker.publish(name, "greetings")
    logger.info("Greeted %s", name)


app = FastAPI()
app.include_router(router)
