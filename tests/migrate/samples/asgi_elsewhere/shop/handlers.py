from faststream import FastStream
from faststream.nats import NatsRouter

router = NatsRouter()


def name_of(application: FastStream) -> str:
    return type(application).__name__
