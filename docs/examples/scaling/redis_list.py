from faststream.redis import RedisBroker

broker = RedisBroker("redis://127.0.0.1:6379")


@broker.subscriber(list="orders")
async def on_order(number: int) -> None: ...
