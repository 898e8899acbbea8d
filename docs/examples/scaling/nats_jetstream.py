from faststream.nats import JStream, NatsBroker, PullSub

broker = NatsBroker("nats://127.0.0.1:4222")


# Workers that name the same durable consumer take turns in asking it for messages.
@broker.subscriber(
    "orders",
    stream=JStream("orders-stream"),
    durable="orders-workers",
    pull_sub=PullSub(batch_size=10, timeout=1.0),
)
async def on_order(number: int) -> None: ...
