import pytest
from faststream.nats import NatsBroker

from tests.contract.hosts import HOSTS, Host


@pytest.fixture(params=HOSTS, ids=lambda host: host.name)
def host(request: pytest.FixtureRequest) -> Host:
    return request.param


@pytest.fixture
def broker() -> NatsBroker:
    """A broker that the client of a host puts in memory."""
    return NatsBroker()
