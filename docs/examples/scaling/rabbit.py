from faststream.rabbit import Channel, RabbitBroker, RabbitQueue

# A worker holds ten messages at most, so that the others have something to do.
broker = RabbitBroker("amqp://127.0.0.1:5672", default_channel=Channel(prefetch_count=10))


@broker.subscriber(RabbitQueue("orders", durable=True))
async def on_order(number: int) -> None: ...
