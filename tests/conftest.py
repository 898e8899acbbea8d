import atexit
import gc
import sys
import warnings
from collections.abc import Iterator
from logging.handlers import QueueListener

import pytest

from faststream_integrations.testing import nats_server
from tests.installed import OLDEST_FASTSTREAM

UNCLOSED = ("unclosed <socket", "unclosed <StreamWriter", "unclosed transport")


def pytest_configure(config: pytest.Config) -> None:
    if sys.version_info < (3, 11):
        # Its event loop, and aiormq 6, which has no successor there, leave the connection of a
        # cancelled connect to the garbage collector.
        ignore_unclosed(config, *UNCLOSED)
    if OLDEST_FASTSTREAM:
        # It leaves the streams of workers open, and sockets of connections that were refused.
        ignore_unclosed(config, "Unclosed <MemoryObject", "loop is closed", *UNCLOSED)


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    if OLDEST_FASTSTREAM:
        # What is ignored above is an error again when pytest looks for the last time.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def ignore_unclosed(config: pytest.Config, *beginnings: str) -> None:
    for beginning in beginnings:
        config.addinivalue_line("filterwarnings", f"ignore:{beginning}:ResourceWarning")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """The address of a real NATS server with JetStream, one for the whole run."""
    with nats_server() as server:
        yield server.url


@pytest.fixture(autouse=True)
def no_logging_thread_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End the threads that Litestar starts for the logs of each application, and never ends."""
    listeners: list[QueueListener] = []
    start = QueueListener.start

    def remember(self: QueueListener) -> None:
        start(self)
        listeners.append(self)

    monkeypatch.setattr(QueueListener, "start", remember)
    yield
    for listener in listeners:
        listener.stop()
        atexit.unregister(listener.stop)
