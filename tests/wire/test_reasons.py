"""Why a start has failed is told, in words of ours, without credentials or what a server wrote."""

import asyncio
import inspect
import random
import ssl
import traceback
from types import SimpleNamespace

import aiokafka.errors
import aiormq.exceptions
import confluent_kafka
import nats.errors
import nats.js.errors
import pytest
import redis.exceptions
import zmqtt.errors
from faststream.nats import NatsBroker
from faststream.redis import RedisBroker
from hypothesis import given
from hypothesis import strategies as st

from faststream_integrations.brokers.outages import BrokerUnavailable, describe
from faststream_integrations.brokers.reasons import reason_of
from tests.lifecycle.kinds import KINDS
from tests.lifecycle.service import running, serving
from tests.processes import free_port

SECRET = "S3CR3T"


def jetstream(cls, err_code):
    return cls(code=400, err_code=err_code, description=SECRET)


def kafka_exception(name):
    return confluent_kafka.KafkaException(
        confluent_kafka.KafkaError(getattr(confluent_kafka.KafkaError, name), SECRET)
    )


def certificate(code):
    error = ssl.SSLCertVerificationError(1, SECRET)
    error.verify_code = code
    return error


def caused(error, cause):
    error.__cause__ = cause
    return error


REFUSED = "authentication or permission refused"

KNOWN = [
    # NATS
    (nats.errors.AuthorizationError(), REFUSED),
    (nats.errors.Error("nats: 'Authorization Violation'"), REFUSED),
    (nats.errors.Error(f"nats: permissions violation for subscription to {SECRET}"), REFUSED),
    (nats.errors.NoServersError(), "no server of the list can be reached"),
    (nats.errors.SecureConnRequiredError(), "the server wants TLS"),
    (nats.errors.TimeoutError(), "no answer in time"),
    (nats.errors.Error("nats: maximum connections exceeded"),
     "the server takes no more connections"),
    (nats.js.errors.Error("consumer is already bound to a subscription"),
     "consumer is already bound to a subscription"),
    (nats.js.errors.Error(f"cannot create queue subscription '{SECRET}' to consumer '{SECRET}'"),
     "the JetStream consumer belongs to another queue"),
    (jetstream(nats.js.errors.NotFoundError, 10059),
     "the stream does not exist (JetStream error 10059)"),
    (jetstream(nats.js.errors.BadRequestError, 10058),
     "a stream of that name exists with other options (JetStream error 10058)"),
    (jetstream(nats.js.errors.ServiceUnavailableError, 10076),
     "JetStream is not enabled on the server (JetStream error 10076)"),
    (jetstream(nats.js.errors.APIError, 12345), "JetStream error 12345"),
    # Redis
    (redis.exceptions.ResponseError(f"WRONGPASS {SECRET}"), f"{REFUSED} (WRONGPASS)"),
    (redis.exceptions.AuthenticationError(SECRET), REFUSED),
    (redis.exceptions.NoPermissionError(SECRET), REFUSED),
    (redis.exceptions.ResponseError(f"WRONGTYPE {SECRET}"),
     "the key holds data of another type (WRONGTYPE)"),
    (redis.exceptions.ResponseError(f"NOGROUP {SECRET}"),
     "the stream or its group does not exist (NOGROUP)"),
    (redis.exceptions.ResponseError(f"NEWERROR {SECRET}"), "ResponseError"),
    (redis.exceptions.ReadOnlyError(SECRET), "the server is a replica, and read-only"),
    (redis.exceptions.BusyLoadingError(SECRET), "the server loads its data"),
    (redis.exceptions.ConnectionError("max number of clients reached"),
     "the server takes no more connections"),
    (redis.exceptions.InvalidResponse(SECRET),
     "the answer is not of its protocol: another server listens there"),
    (redis.exceptions.TimeoutError(SECRET), "no answer in time"),
    # RabbitMQ
    (aiormq.exceptions.ProbableAuthenticationError(SECRET), REFUSED),
    (aiormq.exceptions.ChannelAccessRefused(SECRET), f"{REFUSED} (403)"),
    (aiormq.exceptions.ChannelNotFoundEntity(SECRET), "a queue or exchange does not exist (404)"),
    (aiormq.exceptions.ChannelLockedResource(SECRET),
     "a queue is used by another connection alone (405)"),
    (aiormq.exceptions.ChannelPreconditionFailed(SECRET),
     "a queue or exchange exists with other options (406)"),
    (aiormq.exceptions.ConnectionNotAllowed(SECRET),
     "the virtual host does not exist or is not allowed (530)"),
    (aiormq.exceptions.AMQPConnectionError("Server connection unexpectedly closed. Read 0 bytes"),
     "connection lost"),
    # aiokafka
    (aiokafka.errors.KafkaConnectionError(SECRET), "no server of the list can be reached"),
    (aiokafka.errors.UnknownTopicOrPartitionError(SECRET),
     "the topic does not exist (UnknownTopicOrPartitionError, 3)"),
    (aiokafka.errors.TopicAuthorizationFailedError(SECRET),
     f"{REFUSED} (TopicAuthorizationFailedError, 29)"),
    (aiokafka.errors.RebalanceInProgressError(SECRET), "Kafka error 27 (RebalanceInProgressError)"),
    (aiokafka.errors.KafkaTimeoutError(SECRET), "no answer in time"),
    # librdkafka
    (kafka_exception("_ALL_BROKERS_DOWN"),
     "no server of the list can be reached (_ALL_BROKERS_DOWN)"),
    (kafka_exception("_AUTHENTICATION"), f"{REFUSED} (_AUTHENTICATION)"),
    (kafka_exception("TOPIC_AUTHORIZATION_FAILED"), f"{REFUSED} (TOPIC_AUTHORIZATION_FAILED)"),
    (kafka_exception("_BAD_MSG"), "Kafka error _BAD_MSG"),
    # MQTT
    (zmqtt.errors.MQTTConnectError(5), f"{REFUSED} (MQTT code 5)"),
    (zmqtt.errors.MQTTConnectError(0x86), f"{REFUSED} (MQTT code 134)"),
    (zmqtt.errors.MQTTConnectError(0x85), "the client id is not valid (MQTT code 133)"),
    (zmqtt.errors.MQTTConnectError(0x8F), "MQTT code 143"),
    (zmqtt.errors.MQTTDisconnectedError(SECRET), "connection lost"),
    (zmqtt.errors.MQTTTimeoutError(SECRET), "no answer in time"),
    # Sockets and TLS
    (ConnectionRefusedError(111, SECRET), "connection refused"),
    (OSError(113, SECRET), "no route to the host"),
    (OSError(24, SECRET), "too many open files"),
    (certificate(20), "TLS failed: the certificate is refused, its authority is not trusted"),
    (certificate(10), "TLS failed: the certificate is refused, it has expired"),
    (certificate(9999), "TLS failed: the certificate is refused"),
    (ssl.SSLError(1, SECRET), "TLS failed"),
    (TimeoutError(SECRET), "no answer in time"),
    # What tells more than the error that is raised.
    (caused(nats.errors.NoServersError(), ConnectionRefusedError()), "connection refused"),
    (caused(redis.exceptions.ConnectionError(SECRET), certificate(18)),
     "TLS failed: the certificate is refused, it is self-signed"),
    # What only looks like something else.
    (aiokafka.errors.UnknownTopicOrPartitionError("authors"),
     "the topic does not exist (UnknownTopicOrPartitionError, 3)"),
    (nats.errors.Error("authors.refused"), "Error"),
    (RuntimeError(SECRET), "RuntimeError"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "reason"), KNOWN, ids=lambda each: repr(each)[:60])
def test_reason_of_a_known_error(error, reason):
    assert reason_of(error) == reason


LIBRARIES = (nats.errors, nats.js.errors, redis.exceptions, aiormq.exceptions, aiokafka.errors,
             zmqtt.errors)  # fmt: skip
ERRORS = [
    each
    for library in LIBRARIES
    for _, each in sorted(inspect.getmembers(library, inspect.isclass))
    if issubclass(each, Exception)
]


@given(cls=st.sampled_from(ERRORS), before=st.text(max_size=20), after=st.text(max_size=20))
def test_no_message_of_a_library_is_in_a_reason(cls, before, after):
    # As a library does that calls no constructor of its class: every error can be made so.
    error = cls.__new__(cls)
    error.args = (f"{before}{SECRET}{after}",)
    for name in ("description", "message", "reason_string", "strerror"):
        try:
            setattr(error, name, SECRET)
        except (AttributeError, TypeError):
            pass
    for shown in (error, caused(OSError(), error), caused(RuntimeError(), error)):
        assert SECRET not in reason_of(shown)


CREDENTIALS = st.text(alphabet="SECRT09:/?#@[]%&=,;. ", min_size=1, max_size=12)


@given(
    urls=st.lists(
        st.tuples(st.sampled_from(["nats", "redis", "amqp", "mqtt", ""]), CREDENTIALS), min_size=1
    ),
    tail=st.sampled_from(["", "/0", "/vhost", "?x=y", "/a?b=@", ",nats://other:4222"]),
)
def test_no_part_of_a_credential_is_in_the_name_of_a_broker(urls, tail):
    addresses = [
        f"{scheme}{'://' if scheme else ''}{credentials}@host.example:1{tail}"
        for scheme, credentials in urls
    ]
    named = describe(SimpleNamespace(specification=SimpleNamespace(url=addresses)))
    assert not set("SECRT") & set(named.partition(" at ")[2])


async def test_error_that_has_a_part_of_the_password_is_not_shown(caplog):
    class Careless(RedisBroker):
        async def start(self):
            raise ValueError(f"cannot parse '{SECRET[:4]}'") from KeyError(SECRET)

    broker = Careless(f"redis://user:{SECRET[:4]}%2F{SECRET[4:]}@127.0.0.1:{free_port()}")
    with pytest.raises(BrokerUnavailable) as raised:
        async with running(broker, startup_timeout=1.0):
            raise AssertionError
    shown = "".join(traceback.format_exception(raised.value)) + caplog.text
    assert "ValueError" in shown
    assert SECRET[:4] not in shown

    async with serving(broker, on_unavailable="retry", startup_timeout=1.0) as service:
        body = (await service.client.get("/ready")).text
        while "ValueError" not in body:
            body = (await service.client.get("/ready")).text
            await asyncio.sleep(0.01)
    assert SECRET[:4] not in body + caplog.text
    assert "ValueError" in caplog.text


async def test_jetstream_consumer_that_is_bound_is_told(nats_url):
    def make():
        broker = NatsBroker(nats_url)

        with pytest.warns(RuntimeWarning, match="durable"):
            subscriber = broker.subscriber("reasons.bound", stream="reasons", durable="bound")

        @subscriber
        async def handle(message: str): ...

        return broker

    async with running(make()):
        with pytest.raises(BrokerUnavailable, match="consumer is already bound to a subscription"):
            async with running(make(), startup_timeout=5.0):
                raise AssertionError


async def test_queue_with_other_options_is_told(faulty_servers):
    from faststream.rabbit import RabbitBroker, RabbitQueue

    def make(**options):
        broker = RabbitBroker(f"amqp://guest:guest@127.0.0.1:{faulty_servers['rabbit'].port}/")

        @broker.subscriber(RabbitQueue("reasons", **options))
        async def handle(message: str): ...

        return broker

    async with running(make(durable=True)):
        with pytest.raises(BrokerUnavailable, match="exists with other options"):
            async with running(make(durable=False), startup_timeout=5.0):
                raise AssertionError


CLIENTS = ("nats-core", "redis-channel", "rabbit", "mqtt", "kafka", "confluent")


@pytest.mark.parametrize("server", ["nats", "redis", "rabbit", "mqtt", "kafka"])
@pytest.mark.parametrize("client", CLIENTS)
async def test_server_of_another_protocol_is_unavailable(client, server, faulty_servers, received):
    kind = KINDS[client]
    if kind.server == server:
        return
    broker = kind.make(faulty_servers[server].port, received.put, logger=None)
    with pytest.raises(BrokerUnavailable, match="did not start") as raised:
        async with running(broker, startup_timeout=0.5):
            raise AssertionError
    assert f"127.0.0.1:{faulty_servers[server].port}" in str(raised.value)


GREETINGS = (
    b'INFO {"server_id":"x","version":"2.0.0","proto":1,"max_payload":1048576}\r\n',
    b"-ERR 'x'\r\n", b"+OK\r\n", b"%1\r\n$6\r\nserver\r\n$5\r\nredis\r\n",
    bytes.fromhex("01000000000010000a000a0009"), bytes([0x20, 2, 0, 0]), bytes([0x20, 3, 0, 0, 0]),
    bytes.fromhex("0000001000000001000000000000000000000000"),
    b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n",
    bytes.fromhex("15030100020228"), bytes(40), b"\xff" * 40,
)  # fmt: skip


def answers(number):
    """Answers of servers of many kinds, whole, cut, mixed and changed: the same in each run."""
    chance = random.Random(20)
    yield from GREETINGS
    for _ in range(number):
        answer = bytearray(chance.choice(GREETINGS))
        for _ in range(chance.randint(1, 4)):
            match chance.randrange(4):
                case 0 if answer:
                    answer[chance.randrange(len(answer))] = chance.randrange(256)
                case 1:
                    answer += chance.randbytes(20)
                case 2:
                    answer += chance.choice(GREETINGS)
                case _:
                    del answer[chance.randrange(len(answer) + 1) :]
        yield bytes(answer)


@pytest.mark.parametrize("client", CLIENTS[:5])
async def test_server_that_answers_anything_is_unavailable(client, received):
    answer = b""

    async def serve(reader, writer):
        try:
            if answer.startswith(b"INFO"):
                writer.write(answer)
            while await reader.read(1000):
                writer.write(answer)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for answer in answers(20):
            broker = KINDS[client].make(port, received.put, logger=None)
            with pytest.raises(BrokerUnavailable):
                async with running(broker, startup_timeout=0.1):
                    raise AssertionError(answer)
