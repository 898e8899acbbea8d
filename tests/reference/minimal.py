from faststream.nats import NatsBroker

from faststream_integrations.asgi import AsgiFastStream

broker = NatsBroker()
app = AsgiFastStream(broker)
