from faststream.nats import NatsBroker

broker = NatsBroker("nats://127.0.0.1:4222")


@broker.subscriber("orders", queue="workers")
async def on_order(number: int) -> None: ...


# Without a queue group: every process hears it, to forget what it has cached.
@broker.subscriber("orders.changed")
async def on_changed(number: int) -> None: ...
