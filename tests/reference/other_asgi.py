from contextlib import asynccontextmanager

from fastapi import FastAPI
from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI

from faststream_integrations.asgi import make_asyncapi_asgi, make_ping_asgi

broker = NatsBroker()
asyncapi = AsyncAPI(broker)


@asynccontextmanager
async def start_broker(app):
    """Start the broker with the app."""
    async with broker:
        await broker.start()
        yield


app = FastAPI(lifespan=start_broker)

app.mount("/health", make_ping_asgi(broker, timeout=5.0))
app.mount("/asyncapi", make_asyncapi_asgi(asyncapi, try_it_out=False))
