"""Servers that change a password while an application uses it, and change it back."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from faststream.security import SASLPlaintext
from redis import Redis

from tests.lifecycle.kinds import KINDS, Kind
from tests.lifecycle.servers import (
    RABBIT,
    find,
    mqtt_server,
    nats_server,
    rabbit_server,
    redis_server,
)
from tests.lifecycle.service import PATIENCE, serving

USER, KEEPER = "application", "keeper"
FIRST, SECOND, KEPT = "f1rst-s3cret", "s3cond-s3cret", "k3pt-s3cret"


@dataclass
class Guarded:
    """A server that wants a password.

    Attributes:
        port: Its port.
        change: Gives `USER` another password, and ends the connections that have the old one.
    """

    port: int
    change: Callable[[str], None]


@contextmanager
def guarded_nats() -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "nats.conf"

        def write(password: str) -> None:
            users = ((USER, password), (KEEPER, KEPT))
            each = ", ".join(f'{{user: "{name}", password: "{word}"}}' for name, word in users)
            config.write_text(f"authorization {{ users = [{each}] }}\n")

        def change(password: str) -> None:
            write(password)
            os.kill(server.pid, signal.SIGHUP)

        write(FIRST)
        with nats_server("--config", str(config)) as server:
            yield Guarded(server.port, change)


@contextmanager
def guarded_redis() -> Iterator[Guarded]:
    with redis_server() as server, Redis(port=server.port) as client:
        rights = ("on", "~*", "&*", "+@all")

        def change(password: str) -> None:
            client.execute_command("ACL", "SETUSER", USER, "resetpass", f">{password}", *rights)
            client.execute_command("CLIENT", "KILL", "USER", USER)

        client.execute_command("ACL", "SETUSER", KEEPER, f">{KEPT}", *rights)
        change(FIRST)
        yield Guarded(server.port, change)


@contextmanager
def guarded_rabbit() -> Iterator[Guarded]:
    with rabbit_server() as server:

        def change(password: str) -> None:
            server.run(control, "change_password", USER, password)
            server.run(control, "close_all_user_connections", USER, "changed")

        control = find("rabbitmqctl", first=RABBIT)
        for user, password in ((USER, FIRST), (KEEPER, KEPT)):
            server.run(control, "add_user", user, password)
            server.run(control, "set_permissions", user, ".*", ".*", ".*")
        yield Guarded(server.port, change)


@contextmanager
def guarded_mqtt() -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory() as folder:
        passwords = Path(folder) / "passwords"
        passwords.touch(0o600)

        with mqtt_server(f"password_file {passwords}", anonymous=False) as server:

            def change(password: str) -> None:
                server.run(find("mosquitto_passwd"), "-b", str(passwords), USER, password)
                server.reload()

            server.run(find("mosquitto_passwd"), "-b", str(passwords), KEEPER, KEPT)
            change(FIRST)
            yield Guarded(server.port, change)


GUARDED = {
    "nats": guarded_nats,
    "redis": guarded_redis,
    "rabbit": guarded_rabbit,
    "mqtt": guarded_mqtt,
}


KEEPS = {"nats-pull", "nats-push", "redis-list", "redis-stream", "rabbit", "mqtt"}
"""Ways to consume what was sent while nobody consumed."""


@pytest.fixture(params=[name for name, kind in KINDS.items() if kind.server in GUARDED])
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def guarded(kind: Kind) -> Iterator[Guarded]:
    with GUARDED[kind.server]() as server:
        yield server


def broker_of(kind: Kind, guarded: Guarded, user: str, password: str) -> Any:
    security = SASLPlaintext(user, password)
    return kind.broker(kind.url.format(port=guarded.port), logger=None, security=security)


async def test_refused_password_is_told_and_nothing_is_lost(kind, guarded, caplog):
    handled: set[str] = set()

    async def handler(message: str) -> None:
        handled.add(message)

    options = {}
    if kind.name == "mqtt":
        options = {"client_id": "test", "clean_session": False, "session_expiry_interval": 600}
    broker = kind.make(
        guarded.port, handler, security=SASLPlaintext(USER, FIRST), logger=None, **options
    )
    keeper = broker_of(kind, guarded, KEEPER, KEPT)
    sent = {"before"}
    async with serving(broker) as service, keeper:
        await kind.send(broker, "before")
        await until(lambda: handled == sent)

        await asyncio.to_thread(guarded.change, SECOND)
        await service.until("/ready", 503)
        await until_reason(service, "authentication or permission refused")
        assert await service.get("/live") == 200
        if kind.name in KEEPS:
            for number in range(20):
                await kind.send(keeper, str(number), broker.address)
                sent.add(str(number))

        await asyncio.to_thread(guarded.change, FIRST)
        await service.until("/ready", 200)
        await kind.send(broker, "after")
        sent.add("after")
        await until(lambda: handled == sent)
    assert not [word for word in (FIRST, SECOND, KEPT) if word in caplog.text]


async def until(done: Callable[[], bool]) -> None:
    with anyio.fail_after(PATIENCE):
        while not done():
            await asyncio.sleep(0.02)


async def until_reason(service: Any, reason: str) -> None:
    reasons: list[str] = []
    with anyio.fail_after(PATIENCE):
        while not any(reason in each for each in reasons):
            checks = await service.checks("/ready")
            reasons = [check.get("output", "") for checks in checks.values() for check in checks]
            await asyncio.sleep(0.05)
