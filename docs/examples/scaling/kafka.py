from faststream.kafka import KafkaBroker

broker = KafkaBroker("127.0.0.1:9092")


# As many workers as the topic has partitions have something to do.
@broker.subscriber("orders", group_id="workers", auto_offset_reset="earliest")
async def on_order(number: int) -> None: ...
