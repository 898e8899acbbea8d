from faststream.mqtt import MQTTBroker, QoS

# No client_id: each process has one of its own. A second client with one id ends the first.
broker = MQTTBroker("127.0.0.1", port=1883, version="5.0")


@broker.subscriber("orders", shared="workers", qos=QoS.AT_LEAST_ONCE)
async def on_order(number: int) -> None: ...
