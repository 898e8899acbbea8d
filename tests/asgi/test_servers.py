"""`AsgiFastStream` under every server, as a process that a signal ends."""

import asyncio
import resource

import httpx
import pytest

from tests.processes import COMMANDS, clean_status, serve


@pytest.mark.parametrize("command", COMMANDS)
def test_server_serves_the_application_and_sigterm_ends_it_cleanly(command, nats_url, tmp_path):
    workers = 2 if "workers" in command else 1
    stopped = tmp_path / "stopped"
    env = {"NATS_URL": nats_url, "STOPPED": str(stopped)}
    with serve(command, "tests.asgi.service:app", tmp_path / "log", env) as server:
        server.wait_until_it_answers("/health")
        assert httpx.get(f"{server.url}/ask?text=hello", timeout=60).text == "hello"
        preflight = httpx.options(
            f"{server.url}/ask",
            headers={"origin": "https://example.com", "access-control-request-method": "GET"},
            timeout=60,
        )
        assert preflight.headers["access-control-allow-origin"] == "https://example.com"
        # A worker that still starts when the signal comes has nothing to stop.
        server.wait_for_output("FastStream app started successfully!", workers)
        status = server.end()
        output = server.output
    assert status == clean_status(command), output
    assert stopped.read_text().splitlines() == ["stopped"] * workers, output
    assert "Traceback" not in output


@pytest.mark.parametrize("command", ["uvicorn", "granian", "gunicorn-asgi", "faststream"])
def test_broker_that_cannot_be_reached_ends_the_process(command, tmp_path):
    env = {"NATS_URL": "nats://127.0.0.1:1", "STOPPED": str(tmp_path / "stopped")}
    env["STARTUP_TIMEOUT"] = "0.5"
    with serve(command, "tests.asgi.service:app", tmp_path / "log", env) as server:
        assert server.process.wait(60) not in (0, None)
        assert "NatsBroker at nats://127.0.0.1:1" in server.output


PROBES = 10_000


async def test_ten_thousand_concurrent_probes_are_answered_in_time(nats_url, tmp_path):
    """One ping in flight: the slow broker counts its pings, and all probes share them."""
    files = PROBES + 500
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < files:
        pytest.skip(f"{files} open files are needed, and {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, files), hard))  # the server's, too
    env = {"NATS_URL": nats_url, "STOPPED": str(tmp_path / "stopped")}
    try:
        with serve("uvicorn", "tests.asgi.slow_ping:app", tmp_path / "log", env) as server:
            server.wait_until_it_answers("/pings")
            seconds = await probe_at_once(int(server.url.rpartition(":")[2]))
            pings, most_in_flight = server.wait_until_it_answers("/pings").json()
            server.end()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(seconds) == PROBES
    assert most_in_flight == 1
    assert pings < PROBES / 10
    assert max(seconds) < 30.0  # the timeout of the probe in `slow_ping`


async def probe_at_once(port: int) -> list[float]:
    """Open a connection for each probe, send them all, and return how long each one took."""
    loop = asyncio.get_running_loop()
    opening = asyncio.Semaphore(500)

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with opening:
            return await asyncio.open_connection("127.0.0.1", port)

    async def probe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        started = loop.time()
        writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        seconds = loop.time() - started
        assert head.startswith(b"HTTP/1.1 204"), head
        writer.close()
        await writer.wait_closed()
        return seconds

    connections = await asyncio.gather(*(connect() for _ in range(PROBES)))
    return await asyncio.gather(*(probe(*connection) for connection in connections))
