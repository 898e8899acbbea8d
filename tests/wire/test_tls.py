"""Servers that speak TLS, with a certificate of an authority that the operator has made."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from faststream.security import BaseSecurity

from faststream_integrations.brokers.outages import BrokerUnavailable
from tests.lifecycle.kinds import KINDS
from tests.lifecycle.servers import SERVERS, Certificate
from tests.lifecycle.service import PATIENCE, running, serving

CLIENTS = ("nats-core", "nats-pull", "redis-channel", "redis-stream", "rabbit", "mqtt")


@dataclass(frozen=True)
class Authority:
    """An authority, and a certificate that it has issued for 127.0.0.1 alone.

    Attributes:
        trusting: What a client that trusts it uses.
        certificate: That of the servers.
    """

    trusting: ssl.SSLContext
    certificate: Certificate


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    made = trustme.CA()
    trusting = ssl.create_default_context()
    made.configure_trust(trusting)
    issued = made.issue_cert("127.0.0.1")
    with tempfile.TemporaryDirectory() as folder:
        chain, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        chain.write_bytes(b"".join(each.bytes() for each in issued.cert_chain_pems))
        key.write_bytes(issued.private_key_pem.bytes())
        yield Authority(trusting, Certificate(str(chain), str(key)))


@pytest.fixture(scope="module")
def tls_servers(authority: Authority) -> Iterator[Any]:
    """Servers that speak nothing but TLS, those that were started so far, by name."""
    with ExitStack() as stack:

        class Started(dict[str, Any]):
            def __missing__(self, name: str) -> Any:
                self[name] = stack.enter_context(SERVERS[name](tls=authority.certificate))
                return self[name]

        yield Started()


@pytest.fixture(params=CLIENTS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def server(kind, tls_servers):
    return tls_servers[kind.server]


def secured(context: ssl.SSLContext) -> BaseSecurity:
    return BaseSecurity(ssl_context=context)


async def test_readiness_follows_a_server_that_is_killed_and_restarted(
    kind, server, authority, received
):
    broker = kind.make(server.port, received.put, security=secured(authority.trusting))
    async with serving(broker) as service:
        assert await service.get("/ready") == 200
        await kind.send(broker, "before")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "before"
        server.kill()
        await service.until("/ready", 503)
        assert await service.get("/live") == 200
        server.restart()
        await service.until("/ready", 200)
        await kind.send(broker, "after")
        assert await asyncio.wait_for(received.get(), PATIENCE) == "after"


UNTRUSTED = "the certificate is refused, its authority is not trusted"
OF_ANOTHER = "the certificate is refused, it is that of another host"


@pytest.mark.parametrize("kind", ["nats-core", "redis-channel", "rabbit", "mqtt"], indirect=True)
@pytest.mark.parametrize("on_unavailable", ["fail", "retry"])
@pytest.mark.parametrize(("host", "reason"), [("127.0.0.1", UNTRUSTED), ("localhost", OF_ANOTHER)])
async def test_certificate_that_is_refused_is_told(
    kind, server, authority, received, host, reason, on_unavailable
):
    kind = replace(kind, url=kind.url.replace("127.0.0.1", host))
    trusting = ssl.create_default_context() if reason is UNTRUSTED else authority.trusting
    broker = kind.make(server.port, received.put, security=secured(trusting))
    if on_unavailable == "fail":
        with pytest.raises(BrokerUnavailable, match=f"TLS failed: {reason}"):
            async with running(broker, startup_timeout=2.0):
                raise AssertionError
        return
    async with serving(broker, on_unavailable="retry", startup_timeout=2.0) as service:
        while reason not in (await service.client.get("/ready")).text:
            await asyncio.sleep(0.05)
