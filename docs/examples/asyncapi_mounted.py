from faststream.nats import NatsBroker
from faststream.specification import AsyncAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from faststream_integrations import broker_lifespan, make_asyncapi_asgi

broker = NatsBroker()


@broker.subscriber("orders")
async def accept(order_id: int) -> None: ...


docs = make_asyncapi_asgi(AsyncAPI(broker, title="Orders"))

app = Starlette(
    routes=[Mount("/docs/asyncapi", app=docs)],
    lifespan=broker_lifespan(broker),
)
