"""`AsgiFastStream` under every server, as a process that a signal ends."""

import asyncio
import signal

import httpx
import pytest

from tests.processes import COMMANDS, serve


@pytest.mark.parametrize("command", COMMANDS)
def test_server_serves_the_application_and_sigterm_ends_it_cleanly(command, nats_url, tmp_path):
    stopped = tmp_path / "stopped"
    env = {"NATS_URL": nats_url, "STOPPED": str(stopped)}
    with serve(command, "tests.asgi.service:app", tmp_path / "log", env) as server:
        server.wait_until_it_answers("/health")
        assert httpx.get(f"{server.url}/ask?text=hello", timeout=60).text == "hello"
        status = server.end()
        output = server.output
    # One process of uvicorn ends by raising the signal again, once everything has been shut down.
    assert status == (-signal.SIGTERM if command == "uvicorn" else 0), output
    workers = 2 if "workers" in command else 1
    assert stopped.read_text().splitlines() == ["stopped"] * workers, output
    assert "Traceback" not in output


@pytest.mark.parametrize("command", ["uvicorn", "granian", "gunicorn-asgi", "faststream"])
def test_broker_that_cannot_be_reached_ends_the_process(command, tmp_path):
    env = {"NATS_URL": "nats://127.0.0.1:1", "STOPPED": str(tmp_path / "stopped")}
    env["STARTUP_TIMEOUT"] = "0.5"
    with serve(command, "tests.asgi.service:app", tmp_path / "log", env) as server:
        assert server.process.wait(60) not in (0, None)
        assert "NatsBroker at nats://127.0.0.1:1" in server.output


async def test_ten_thousand_concurrent_probes_are_answered_in_time(nats_url, tmp_path):
    """One ping in flight: the slow broker counts its pings, and 10,000 probes share them."""
    env = {"NATS_URL": nats_url, "STOPPED": str(tmp_path / "stopped")}
    timeout = 10.0
    with serve("uvicorn", "tests.asgi.slow_ping:app", tmp_path / "log", env) as server:
        server.wait_until_it_answers("/pings")
        port = int(server.url.rpartition(":")[2])
        seconds = await probe_all(port, 10_000, connections=1_000)
        pings, most_in_flight = server.wait_until_it_answers("/pings").json()
        server.end()
    assert most_in_flight == 1
    assert pings < 1_000
    assert max(seconds) < timeout


async def probe_all(port: int, probes: int, connections: int) -> list[float]:
    """Send probes over many connections at once, and return how long each one took."""
    request = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"
    loop = asyncio.get_running_loop()
    seconds = []

    async def probe_on_one_connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(probes // connections):
            started = loop.time()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            seconds.append(loop.time() - started)
            assert head.startswith(b"HTTP/1.1 204")
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(probe_on_one_connection() for _ in range(connections)))
    assert len(seconds) == probes
    return seconds
