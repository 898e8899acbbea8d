"""Several workers behind one port: a scrape says whose facts it tells."""

import os
import signal
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.processes import DEADLINE, serve

APP = "tests.wire.workers_service:app"


def scrape(server):
    """Return the values of `faststream_broker_up` by the pid that a scrape tells, and how many."""
    # Without a connection that is kept, the worker that answers is another one each time.
    text = httpx.get(f"{server.url}/metrics/", headers={"connection": "close"}).text
    samples = [
        sample
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "faststream_broker_up"
    ]
    found = {sample.labels.get("pid"): sample.value for sample in samples}
    assert len(found) == len(samples), "a series is there twice"
    return found


def until(server, condition):
    deadline = time.monotonic() + DEADLINE
    while not condition(found := scrape(server)):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def workers_of(server, number=2):
    found = set()
    deadline = time.monotonic() + DEADLINE
    while len(found) < number:
        assert time.monotonic() < deadline, found
        found.add(httpx.get(f"{server.url}/pid", headers={"connection": "close"}).text)
    return found


@pytest.mark.parametrize("command", ["uvicorn-workers", "gunicorn-workers"])
def test_each_worker_tells_its_own_facts_under_its_pid(command, nats_url, tmp_path):
    with serve(command, APP, tmp_path / "log", {"NATS_URL": nats_url}) as server:
        server.wait_until_it_answers("/ready")
        workers = workers_of(server)
        seen = {}
        deadline = time.monotonic() + DEADLINE
        while seen.keys() < workers:
            assert time.monotonic() < deadline, seen
            found = scrape(server)
            assert len(found) == 1, "a worker knows nothing of the others"
            seen |= found
        assert seen == dict.fromkeys(workers, 1.0)


def test_single_process_has_no_label_that_changes_with_a_restart(nats_url, tmp_path):
    with serve("uvicorn", APP, tmp_path / "log", {"NATS_URL": nats_url}) as server:
        server.wait_until_it_answers("/ready")
        assert scrape(server) == {None: 1.0}


@pytest.mark.parametrize("command", ["uvicorn-workers", "gunicorn-workers"])
def test_a_scrape_tells_of_all_workers_by_their_files(command, nats_url, tmp_path):
    folder = tmp_path / "metrics"
    folder.mkdir()
    env = {"NATS_URL": nats_url, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    with serve(command, APP, tmp_path / "log", env) as server:
        server.wait_until_it_answers("/ready")
        workers = workers_of(server)
        assert until(server, lambda found: found.keys() >= workers) == dict.fromkeys(workers, 1.0)
        killed = min(workers)
        os.kill(int(killed), signal.SIGKILL)
        # The server starts another one, which forgets what the dead one had told.
        found = until(server, lambda found: len(found.keys() - workers) == 1 and len(found) == 2)
        assert killed not in found


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("uvicorn-access", ""),
        ("hypercorn", "--access-logfile -"),
        ("granian", "--access-log"),
        ("gunicorn-uvicorn", "--access-logfile -"),
        ("gunicorn-asgi", "--access-logfile -"),
    ],
)
def test_access_log_has_requests_and_no_probes_that_are_well(command, options, nats_url, tmp_path):
    with serve(command, f"{APP} {options}", tmp_path / "log", {"NATS_URL": nats_url}) as server:
        server.wait_until_it_answers("/ready")
        httpx.get(f"{server.url}/ready?from=kubernetes")
        httpx.get(f"{server.url}/pid")
        httpx.get(f"{server.url}/bad")
        deadline = time.monotonic() + DEADLINE
        while "/bad" not in server.output or "/pid" not in server.output:
            assert time.monotonic() < deadline, server.output
            time.sleep(0.05)
        assert "/ready" not in server.output
