from fastapi import FastAPI
from faststream import FastStream
from faststream.nats import NatsBroker

from faststream_integrations import broker_lifespan

broker = NatsBroker("nats://127.0.0.1:4222")
service = FastStream(broker)


@service.on_startup
async def before_the_broker_starts() -> None: ...


@service.after_startup
async def when_the_broker_consumes() -> None:
    await broker.publish("ready", "services")


@service.on_shutdown
async def before_the_broker_stops() -> None:
    await broker.publish("bye", "services")


@service.after_shutdown
async def when_the_broker_has_stopped() -> None: ...


app = FastAPI(lifespan=broker_lifespan(service))
