from faststream import (
    FastStream,  # change: its as_asgi() gives
)
from faststream.nats import NatsBroker

from shop.handlers import router

broker = NatsBroker()
broker.include_router(router)
application = FastStream(broker)
