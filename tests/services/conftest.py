import importlib
import os
import socket
import sys
import uuid
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Import a service of `examples/services` anew, with what it reads from the environment."""

    def load(name: str, **environment: Any) -> ModuleType:
        for key, value in environment.items():
            monkeypatch.setenv(key, str(value))
        monkeypatch.delitem(sys.modules, f"examples.services.{name}", raising=False)
        return importlib.import_module(f"examples.services.{name}")

    return load


@pytest.fixture
def unique() -> str:
    """A name that nothing else on a shared server has."""
    return f"services-{uuid.uuid4().hex}"


@pytest.fixture
def reachable() -> Callable[[str, int], None]:
    """Skip a test whose server does not run here, unless ``BROKERS=all`` wants it."""

    def check(what: str, port: int) -> None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            if os.environ.get("BROKERS") == "all":
                pytest.fail(f"{what} does not run at 127.0.0.1:{port}, and BROKERS=all wants it.")
            pytest.skip(f"{what} does not run at 127.0.0.1:{port}")

    return check
