from collections.abc import Iterator

import pytest

from faststream_integrations.testing import nats_server


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The address of a real NATS server with JetStream, one for the whole run."""
    with nats_server() as server:
        yield server.url
