import os
import socket

from faststream.redis import RedisBroker, StreamSub

broker = RedisBroker("redis://127.0.0.1:6379")

# One group for all workers; in it a name for each process, which no other has.
consumer = f"{socket.gethostname()}-{os.getpid()}"


@broker.subscriber(stream=StreamSub("orders", group="workers", consumer=consumer))
async def on_order(number: int) -> None: ...
