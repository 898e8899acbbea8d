"""What each server makes of SIGTERM and of a start that fails."""

import os
import signal
import time

import httpx
import pytest

from tests.processes import clean_status, serve


def env(nats_url, tmp_path, **more):
    return {
        "KIND": "nats-core",
        "SERVER_PORT": nats_url.rpartition(":")[2],
        "ADDRESS": f"servers-{os.getpid()}",
        "HANDLED": str(tmp_path / "handled"),
        "SECONDS": "0",
        "WORKERS": "1",
        **more,
    }


@pytest.mark.parametrize("command", ["uvicorn", "gunicorn-uvicorn", "faststream"])
def test_readiness_is_503_while_the_listeners_are_still_open(command, nats_url, tmp_path):
    options = env(nats_url, tmp_path, DELAY="1.5")
    with serve(command, "tests.lifecycle.load_service:app", tmp_path / "log", options) as server:
        server.wait_until_it_answers("/ready")
        server.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 10.0
        while (response := httpx.get(f"{server.url}/ready")).status_code == 200:
            assert time.monotonic() < deadline
        assert response.status_code == 503
        (state,) = response.json()["checks"]["application:state"]
        assert state["observedValue"] == "draining"
        assert httpx.get(f"{server.url}/slow").status_code == 200, "it still serves"
        server.process.wait(60)
        assert server.process.returncode == clean_status(command)


STATUSES = {
    "uvicorn": 3,
    "uvicorn-workers": 0,
    "hypercorn": 0,
    "hypercorn-alone": 1,
    "granian": 1,
    "gunicorn-uvicorn": 3,
    "gunicorn-asgi": 3,
    "faststream": 3,
}
LONG = os.environ.get("LIFECYCLE_LOAD")


@pytest.mark.parametrize("command", STATUSES if LONG else ["uvicorn-workers", "hypercorn"])
def test_start_that_fails_ends_the_server_with_a_status(command, tmp_path):
    options = env("nats://127.0.0.1:1", tmp_path, STARTUP_TIMEOUT="0.5")
    with serve(command, "tests.lifecycle.load_service:app", tmp_path / "log", options) as server:
        found = server.process.wait(60)
        assert "NatsBroker at nats://127.0.0.1:1 did not start" in server.output
        assert "connection refused" in server.output
    assert found == STATUSES[command]
