from typing import Annotated

from fastapi import Depends, FastAPI
from faststream.nats import NatsBroker
from faststream_fastapi import AsyncAPIConfig, Context, FastStreamAPI, StreamMessage  # change: `AsyncAPIConfig` is AsyncAPIRoute | import `Context` from faststream_integrations.fastapi | `FastStreamAPI` is FastStreamRouter | `StreamMessage`: `fastapi.Request`

broker = NatsBroker("nats://127.0.0.1:4222")
app = FastAPI(title="Shop")


def get_limit(limit: int = 3) -> int:  # check: `limit` of a dependency
    return limit


@broker.subscriber("in.{kind}")
async def handle(
    text: str,  # check: `text` alone is the whole body
    kind: str,  # change: `kind` is of the address
    message: StreamMessage,
    limit: Annotated[int, Depends(get_limit)],
    pool: Annotated[object, Context("pool")],
) -> None: ...


application = FastStreamAPI(  # change: write `app.include_router(FastStreamRouter(broker, on_unavailable='retry', asyncapi_path=AsyncAPIConfig('/docs')))` | `connection_hook` goes to a hook
    broker,
    application=app,
    asyncapi_path=AsyncAPIConfig("/docs"),
    safe_connection=True,
    connection_hook=print,
)
