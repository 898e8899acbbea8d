"""Words for the errors of client libraries and servers: codes and known errors, never a message.

A message may carry an address with its password, or what a hostile server has sent. So each reason
is made of words that stand here, of codes and of names of classes.
"""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from socket import gaierror
from typing import Any

from faststream_integrations.brokers.kinds import Unreachable

__all__ = ("reason_of",)

AUTHENTICATION = "authentication or permission refused"
FOREIGN = "the answer is not of its protocol: another server listens there"
LOST = "connection lost"
NO_ANSWER = "no answer in time"
REFUSED = "connection refused"

_CLASSES: Mapping[str, str] = {
    # nats-py
    "AuthorizationError": AUTHENTICATION,
    "InvalidUserCredentialsError": AUTHENTICATION,
    "JsonParseError": FOREIGN,
    "MaxPayloadError": "a message is larger than the server takes",
    "NoServersError": "no server of the list can be reached",
    "NoRespondersError": "nobody responds: JetStream may not be enabled",
    "NoStreamResponseError": "no stream has that subject",
    "ProtocolError": FOREIGN,
    "SecureConnFailedError": "TLS failed",
    "SecureConnRequiredError": "the server wants TLS",
    "SecureConnWantedError": "the server does not speak TLS",
    "StaleConnectionError": LOST,
    # redis-py
    "AuthenticationError": AUTHENTICATION,
    "AuthenticationWrongNumberOfArgsError": AUTHENTICATION,
    "BusyLoadingError": "the server loads its data",
    "ClusterDownError": "the cluster is down",
    "InvalidResponse": FOREIGN,
    "MaxConnectionsError": "the client's pool of connections is used up",
    "MasterDownError": "the replica has lost its master",
    "MovedError": "the key belongs to another node of the cluster",
    "NoPermissionError": AUTHENTICATION,
    "OutOfMemoryError": "the server is out of memory",
    "ReadOnlyError": "the server is a replica, and read-only",
    # aiormq and aio-pika
    "ChannelAccessRefused": f"{AUTHENTICATION} (403)",
    "ChannelLockedResource": "a queue is used by another connection alone (405)",
    "ChannelNotFoundEntity": "a queue or exchange does not exist (404)",
    "ChannelPreconditionFailed": "a queue or exchange exists with other options (406)",
    "ConnectionFrameError": FOREIGN,
    "ConnectionInternalError": "an error inside of the server (541)",
    "ConnectionNotAllowed": "the virtual host does not exist or is not allowed (530)",
    "ConnectionResourceError": "the server is short of resources (506)",
    "ConnectionSyntaxError": FOREIGN,
    "DuplicateConsumerTag": "a consumer of that tag exists",
    "IncompatibleProtocolError": FOREIGN,
    "InvalidFrameError": FOREIGN,
    "ProbableAuthenticationError": AUTHENTICATION,
    # aiokafka
    "AuthenticationFailedError": AUTHENTICATION,
    "AuthenticationMethodNotSupported": "the server does not offer the SASL mechanism",
    "CorrelationIdError": FOREIGN,
    "IncompatibleBrokerVersion": "the server is too old for this client",
    "KafkaConnectionError": "no server of the list can be reached",
    "KafkaUnavailableError": "no server of the list can be reached",
    "NoBrokersAvailable": "no server of the list can be reached",
    "NodeNotReadyError": "the server is not ready",
    "UnrecognizedBrokerVersion": FOREIGN,
    # zmqtt
    "MQTTDisconnectedError": LOST,
    "MQTTProtocolError": FOREIGN,
    "MQTTQoSExceededError": "the server does not offer that QoS",
    "MQTTRetainNotAvailableError": "the server does not offer retained messages",
    "MQTTSubscribeError": "the server refuses a subscription",
}
"""By the names of classes, those that an error inherits from among them."""

_JETSTREAM = {
    10008: "the JetStream cluster is not available",
    10013: "a JetStream consumer of that name exists with other options",
    10014: "the JetStream consumer does not exist",
    10023: "the server is short of resources",
    10039: "JetStream is not enabled for the account",
    10058: "a stream of that name exists with other options",
    10059: "the stream does not exist",
    10065: "a subject belongs to another stream",
    10076: "JetStream is not enabled on the server",
    10099: "a stream with the policy of work queues has a consumer already",
    10100: "a stream with the policy of work queues has a consumer of that subject already",
    10148: "the JetStream consumer exists with other options",
}

_REDIS = {
    "BUSYGROUP": "the group exists",
    "CLUSTERDOWN": "the cluster is down",
    "DENIED": "the server is in protected mode",
    "LOADING": "the server loads its data",
    "MASTERDOWN": "the replica has lost its master",
    "MISCONF": "the server cannot save its data",
    "NOAUTH": AUTHENTICATION,
    "NOGROUP": "the stream or its group does not exist",
    "NOPERM": AUTHENTICATION,
    "NOREPLICAS": "the server has too few replicas",
    "OOM": "the server is out of memory",
    "READONLY": "the server is a replica, and read-only",
    "WRONGPASS": AUTHENTICATION,
    "WRONGTYPE": "the key holds data of another type",
}

_KAFKA = {
    "_ALL_BROKERS_DOWN": "no server of the list can be reached",
    "_AUTHENTICATION": AUTHENTICATION,
    "_INVALID_ARG": "an option is not valid",
    "_RESOLVE": "host name not found",
    "_SSL": "TLS failed",
    "_TIMED_OUT": NO_ANSWER,
    "_TIMED_OUT_QUEUE": NO_ANSWER,
    "_TRANSPORT": LOST,
    "CLUSTER_AUTHORIZATION_FAILED": AUTHENTICATION,
    "GROUP_AUTHORIZATION_FAILED": AUTHENTICATION,
    "SASL_AUTHENTICATION_FAILED": AUTHENTICATION,
    "TOPIC_AUTHORIZATION_FAILED": AUTHENTICATION,
    "UNKNOWN_TOPIC_OR_PART": "the topic does not exist",
}

_KAFKA_NUMBERS = {
    3: "the topic does not exist",
    17: "the name of a topic is not valid",
    29: AUTHENTICATION,
    30: AUTHENTICATION,
    31: AUTHENTICATION,
    33: "the server does not offer the SASL mechanism",
    35: "the server does not offer this version of the protocol",
    58: AUTHENTICATION,
}

_MQTT = {
    # MQTT 3.1.1, 3.2.2.3
    1: "the server does not speak this version of MQTT",
    2: "the client id is not valid",
    3: "the server is not available",
    4: AUTHENTICATION,
    5: AUTHENTICATION,
    # MQTT 5.0, 3.2.2.2
    0x84: "the server does not speak this version of MQTT",
    0x85: "the client id is not valid",
    0x86: AUTHENTICATION,
    0x87: AUTHENTICATION,
    0x88: "the server is not available",
    0x89: "the server is busy",
    0x8A: "the client is banned",
    0x8C: "the method of authentication is not offered",
    0x97: "a quota is used up",
    0x9D: "the server has moved",
    0x9F: "connections come too fast",
}

_ERRNO = {
    errno.ECONNREFUSED: REFUSED,
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: LOST,
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to the network",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files",
    errno.ETIMEDOUT: NO_ANSWER,
}

_CERTIFICATE = {
    10: "it has expired",
    18: "it is self-signed",
    19: "its authority is not trusted",
    20: "its authority is not trusted",
    21: "its authority is not trusted",
    62: "it is that of another host",
    64: "it is that of another address",
}
"""By OpenSSL's numbers, X509_V_ERR_*."""

_TLS = {
    "CERTIFICATE_REQUIRED": "the server wants a certificate of the client",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the server wants a certificate of the client",
    "HTTP_REQUEST": "the server does not speak TLS",
    "WRONG_VERSION_NUMBER": "the server does not speak TLS",
    "RECORD_LAYER_FAILURE": "the server does not speak TLS",
}

_TEXTS = (
    ("authorization violation", AUTHENTICATION),
    ("permissions violation", AUTHENTICATION),
    ("user authentication expired", AUTHENTICATION),
    ("access_refused", AUTHENTICATION),
    ("consumer is already bound to a subscription", None),
    ("cannot create a queue subscription for a consumer without a deliver group", None),
    ("cannot create a subscription for a consumer with a deliver group", None),
    ("cannot create queue subscription", "the JetStream consumer belongs to another queue"),
    ("maximum connections exceeded", "the server takes no more connections"),
    ("max number of clients reached", "the server takes no more connections"),
    ("unknown command", "the server is too old for this command"),
    ("connection refused", REFUSED),
    ("connect call failed", REFUSED),
    ("connection closed by server", LOST),
    ("connection reset", "connection reset"),
    ("unexpected eof", LOST),
    ("unexpectedly closed", LOST),
)
"""What a message may contain, and the words for it: the same where there are none."""

Rule = Callable[[BaseException], str]


def reason_of(error: BaseException) -> str:
    """Say why a broker does not work, without anything that a client library or a server wrote."""
    chain = list(_chain(error))
    for rule in _RULES:
        for each in chain:
            if words := rule(each):
                return words
    return type(error).__name__


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = 0
    while error is not None and seen < 8:
        for inner in getattr(error, "exceptions", ()):
            yield from _chain(inner)
        yield error
        error, seen = error.__cause__ or error.__context__, seen + 1


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # of a class that formats what it does not have
        return ""


def _library_of(error: BaseException) -> str:
    return type(error).__module__.partition(".")[0]


def _of_class(error: BaseException) -> str:
    for cls in type(error).__mro__:
        if words := _CLASSES.get(cls.__name__):
            return words
    return ""


def _of_tls(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        why = _CERTIFICATE.get(getattr(error, "verify_code", 0))
        return f"TLS failed: the certificate is refused{f', {why}' if why else ''}"
    if isinstance(error, ssl.SSLError):
        why = _TLS.get(getattr(error, "reason", None) or "")
        return f"TLS failed: {why}" if why else "TLS failed"
    return ""


def _of_jetstream(error: BaseException) -> str:
    code = getattr(error, "err_code", None)
    if _library_of(error) != "nats" or not isinstance(code, int):
        return ""
    words = _JETSTREAM.get(code)
    return f"{words} (JetStream error {code})" if words else f"JetStream error {code}"


def _of_redis(error: BaseException) -> str:
    if _library_of(error) != "redis":
        return ""
    code = re.match("[A-Z]+", getattr(error, "status_code", None) or _text_of(error))
    words = _REDIS.get(code[0]) if code else None
    return f"{words} ({code[0]})" if words and code else ""


def _of_kafka(error: BaseException) -> str:
    number = getattr(error, "errno", None)
    if _library_of(error) == "aiokafka" and isinstance(number, int):
        name = type(error).__name__
        words = _KAFKA_NUMBERS.get(number)
        return f"{words} ({name}, {number})" if words else f"Kafka error {number} ({name})"
    inner: Any = error.args[0] if error.args else None
    if type(inner).__name__ != "KafkaError" or not callable(getattr(inner, "name", None)):
        return ""
    name = inner.name()
    return f"{_KAFKA[name]} ({name})" if name in _KAFKA else f"Kafka error {name}"


def _of_mqtt(error: BaseException) -> str:
    code = getattr(error, "return_code", None)
    if _library_of(error) != "zmqtt" or not isinstance(code, int):
        return ""
    words = _MQTT.get(code)
    return f"{words} (MQTT code {code})" if words else f"MQTT code {code}"


def _of_socket(error: BaseException) -> str:
    if isinstance(error, gaierror):
        return "host name not found"
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    return _ERRNO.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def _of_text(error: BaseException) -> str:
    if isinstance(error, Unreachable):
        return ""
    text = _text_of(error).lower()
    return next((words or part for part, words in _TEXTS if part in text), "")


def _of_ours(error: BaseException) -> str:
    return str(error) if isinstance(error, Unreachable) else ""


def _of_time(error: BaseException) -> str:
    timed_out = isinstance(error, (TimeoutError, asyncio.TimeoutError))
    return NO_ANSWER if timed_out or "timeout" in type(error).__name__.lower() else ""


# The more it tells, the earlier: a code before a class, a class before a text.
_RULES: tuple[Rule, ...] = (
    _of_tls, _of_jetstream, _of_redis, _of_mqtt, _of_kafka, _of_socket, _of_class, _of_text,
    _of_ours, _of_time,
)  # fmt: skip
