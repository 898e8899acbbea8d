"""A broker that is away: its name without credentials, and which errors say so."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterator, Sequence
from traceback import format_exception_only, walk_tb
from typing import Any

from faststream_integrations._faststream import connection_options
from faststream_integrations.brokers.kinds import Unreachable
from faststream_integrations.brokers.reasons import reason_of
from faststream_integrations.environment import AnyBroker

__all__ = ("BrokerUnavailable", "betrays", "describe", "failure_of", "is_outage")


class BrokerUnavailable(Unreachable):
    """A broker could not be started; the message names it and its address."""


def describe(broker: AnyBroker | None) -> str:
    """Name a broker and its addresses, without credentials."""
    hosts = ", ".join(map(_without_credentials, _urls_of(broker)))
    return f"{type(broker).__name__} at {hosts or 'an unknown address'}"


def _urls_of(broker: Any) -> list[str]:
    urls = getattr(getattr(broker, "specification", None), "url", None) or ()
    return [str(url) for url in ((urls,) if isinstance(urls, str) else urls)]


def _without_credentials(url: str) -> str:
    rest = re.sub("^[a-z][a-z0-9+.-]*://", "", url)
    scheme = url[: len(url) - len(rest)]
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    credentials, _, host = authority.rpartition("@")
    # What stands after a second "@", or before one behind the host, may be a part of a password
    # that was not quoted.
    if "://" in rest or "@" in rest[len(authority) :] or "@" in credentials:
        return f"{scheme}(an address that is not shown)"
    return f"{scheme}{host}"


_DELIMITERS = re.compile(r"[:/?#@\[\]]")
"""Where a parser cuts an address into pieces: RFC 3986, 2.2, "gen-delims"."""


def betrays(error: BaseException, broker: AnyBroker) -> bool:
    """Tell whether the text of an error, or of one behind it, has a part of a broker's credentials.

    A part, since what parses an address that is malformed shows what it has stumbled over.
    """
    secrets = set(_secrets_of(broker))
    seen: set[int] = set()
    behind: list[BaseException | None] = [error]
    while behind:
        each = behind.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        shown = "".join(format_exception_only(type(each), each)) + repr(each.args)
        if any(secret in shown for secret in secrets):
            return True
        behind += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return False


def _secrets_of(broker: Any) -> Iterator[str]:
    security = getattr(broker.specification, "security", None)
    yield from _parts(getattr(security, "password", None))
    for name, option in connection_options(broker).items():
        if re.search("password|token|secret", name):
            yield from _parts(option)
        for url in option if isinstance(option, (list, tuple)) else (option,):
            credentials, _, _ = str(url).rpartition("://")[2].rpartition("@")
            user, colon, password = credentials.partition(":")
            yield from _parts(password if colon else user)


def _parts(secret: Any) -> Iterator[str]:
    if isinstance(secret, str):
        yield from (part for part in (secret, *_DELIMITERS.split(secret)) if len(part) > 1)


def failure_of(error: BaseException, broker: AnyBroker, libraries: Sequence[str]) -> BaseException:
    """Return what to raise for the error that a start has ended with.

    The error itself where it is about the code, else a `BrokerUnavailable` that it has caused. One
    that betrays credentials is neither raised nor shown as a cause.
    """
    hidden = betrays(error, broker)
    if not hidden and not is_outage(error, libraries):
        return error
    failure = BrokerUnavailable(f"{describe(broker)} did not start: {reason_of(error)}.")
    failure.__cause__ = None if hidden else error  # and no context, either
    return failure


def is_outage(error: BaseException, libraries: Sequence[str]) -> bool:
    """Tell whether an error is about a server that is away or refuses, and not about the code.

    Args:
        error: The error.
        libraries: The packages of the client library, whose errors count, and what they stumble
            over while they read what a server has sent: it may be one of another protocol.
    """
    if inner := getattr(error, "exceptions", None):
        return all(is_outage(each, libraries) for each in inner)
    if isinstance(error, (OSError, TimeoutError, asyncio.TimeoutError)):
        return True
    if any(cls.__module__.split(".")[0] in libraries for cls in type(error).__mro__):
        return True
    return isinstance(error, _MALFORMED) and _is_read_by(error, libraries)


_MALFORMED = (ValueError, LookupError, EOFError, ArithmeticError, struct.error)
_READS = re.compile(r"(?:^|_)(?:read|recv|receive|decode|parse|unpack|unmarshal)")


def _is_read_by(error: BaseException, libraries: Sequence[str]) -> bool:
    return any(
        _READS.search(frame.f_code.co_name)
        and frame.f_globals.get("__name__", "").split(".")[0] in libraries
        and "url" not in frame.f_code.co_name
        for frame, _ in walk_tb(error.__traceback__)
    )
