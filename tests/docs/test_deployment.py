"""The deployment page: its files are parsed and run, and its advice shares the work."""

import asyncio
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.docs.examples import EXAMPLES, NATS_URL, ROOT
from tests.lifecycle.servers import SERVERS
from tests.processes import DEADLINE, SCRIPTS, Server, clean_status, free_port
from tools.version import version

FOLDER = EXAMPLES / "deployment"

INSTRUCTIONS = {
    *("FROM", "RUN", "ENV", "COPY", "WORKDIR", "USER", "EXPOSE"),
    *("STOPSIGNAL", "HEALTHCHECK", "CMD"),
}


def dockerfile() -> list[list[tuple[str, str]]]:
    """The stages, each a list of instructions with their arguments."""
    stages: list[list[tuple[str, str]]] = []
    for line in (FOLDER / "Dockerfile").read_text().splitlines():
        if not line:
            continue
        instruction, _, arguments = line.partition(" ")
        assert instruction in INSTRUCTIONS, line
        if instruction == "FROM":
            stages.append([])
        stages[-1].append((instruction, arguments))
    return stages


def last(instruction: str) -> str:
    return [arguments for name, arguments in dockerfile()[-1] if name == instruction][-1]


def test_image_is_made_in_two_stages_of_which_the_last_installs_nothing():
    build, final = dockerfile()
    assert re.fullmatch(r"\S+ AS build", build[0][1])
    assert build[0][1].split()[0] == final[0][1]
    assert any("pip install" in arguments for _, arguments in build)
    assert not any("pip" in arguments for name, arguments in final if name == "RUN")


def test_what_is_copied_is_there():
    for stage in dockerfile():
        for name, arguments in stage:
            if name == "COPY" and not arguments.startswith("--from=build"):
                assert (FOLDER / arguments.split()[0]).is_file()


def test_requirement_is_an_extra_of_this_package():
    (line,) = (FOLDER / "requirements.txt").read_text().splitlines()
    extras = re.fullmatch(r"faststream-integrations\[([\w,]+)\]", line)[1].split(",")
    pyproject = (ROOT / "pyproject.toml").read_text()
    for extra in extras:
        assert re.search(rf"^{extra} = \[", pyproject, re.MULTILINE)
    assert version()


def test_process_is_not_root_and_is_stopped_by_sigterm():
    assert int(last("USER")) > 0
    assert f"--uid {last('USER')}" in last("RUN")
    assert last("STOPSIGNAL") == "SIGTERM"
    assert isinstance(json.loads(last("CMD")), list)  # without a shell, which keeps the signal


@contextmanager
def container(nats_url: str, folder: Path):
    """Run the command of the image as it is, on a free port."""
    port = free_port()
    shutil.copy(FOLDER / "main.py", folder)
    command = json.loads(last("CMD"))
    assert command[command.index("--port") + 1] == last("EXPOSE")
    command[command.index("--host") + 1] = "127.0.0.1"
    command[command.index("--port") + 1] = str(port)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, SCRIPTS / command[0], *command[1:]],
            cwd=folder,
            env={**os.environ, "NATS_URL": nats_url, "VERSION": "7", "PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Server(process, port, log), port
    finally:
        process.kill()
        process.wait()


def test_container_starts_is_probed_and_stops_in_time(nats_url, tmp_path):
    with container(nats_url, tmp_path) as (server, port):
        server.wait_until_it_answers("/live")
        assert httpx.get(f"{server.url}/version").json() == "7"

        command = json.loads(last("HEALTHCHECK").partition(" CMD ")[2])
        health = [sys.executable, *(each.replace("8000", str(port)) for each in command[1:])]
        subprocess.run(health, check=True, timeout=DEADLINE)

        (deployment,) = [each for each in manifests() if each["kind"] == "Deployment"]
        (image,) = deployment["spec"]["template"]["spec"]["containers"]
        for name, probe in image.items():
            if name.endswith("Probe"):
                answer = httpx.get(server.url + probe["httpGet"]["path"])
                assert answer.status_code == 200
                assert answer.headers["content-type"] == "application/health+json"

        assert server.end() == clean_status("uvicorn")
    with pytest.raises(subprocess.CalledProcessError):
        subprocess.run(health, check=True, timeout=DEADLINE, stderr=subprocess.DEVNULL)


def manifests() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()))


def test_manifests_belong_together():
    deployment, service, budget = manifests()
    assert [each["kind"] for each in manifests()] == [
        "Deployment",
        "Service",
        "PodDisruptionBudget",
    ]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    (image,) = pod["containers"]
    (port,) = image["ports"]
    assert port["containerPort"] == int(last("EXPOSE"))
    assert service["spec"]["ports"][0]["targetPort"] == port["name"]
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert image[name]["httpGet"]["port"] == port["name"]
    read = set(re.findall(r'environ\.get\("(\w+)"', (FOLDER / "main.py").read_text()))
    assert {each["name"] for each in image["env"]} == read


def seconds(name: str) -> float:
    return float(re.search(rf"{name}=([\d.]+)", (FOLDER / "main.py").read_text())[1])


def test_time_to_stop_is_more_than_a_stop_takes():
    requests = float(json.loads(last("CMD"))[-1])
    stop = seconds("shutdown_delay") + requests + seconds("shutdown_timeout")
    deployment = manifests()[0]["spec"]["template"]["spec"]
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    assert deployment["terminationGracePeriodSeconds"] > stop
    assert int(compose["services"]["service"]["stop_grace_period"].removesuffix("s")) > stop


def test_time_to_start_is_more_than_a_start_takes():
    probe = manifests()[0]["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    start = seconds("startup_timeout")
    assert probe["periodSeconds"] * probe["failureThreshold"] > start
    assert int(re.search(r"--start-period=(\d+)s", last("HEALTHCHECK"))[1]) > start


def test_probes_wait_longer_than_the_service_does():
    image = manifests()[0]["spec"]["template"]["spec"]["containers"][0]
    assert image["readinessProbe"]["timeoutSeconds"] > seconds("timeout")


def test_compose_file_starts_the_service_after_its_server():
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    service = services["service"]
    assert service["build"] == "."
    assert service["ports"] == [f"{last('EXPOSE')}:{last('EXPOSE')}"]
    assert service["environment"]["NATS_URL"] == "nats://nats:4222"
    assert service["depends_on"] == {"nats": {"condition": "service_healthy"}}
    assert services["nats"]["healthcheck"]["test"][0] == "CMD"


def test_server_of_the_compose_file_takes_its_options(tmp_path):
    """They are those of nats-server, and its health check asks where it answers."""
    nats = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["nats"]
    port = str(free_port())
    options = [
        each.replace("8222", port).replace("/data", str(tmp_path)) for each in nats["command"]
    ]
    program = shutil.which("nats-server", path=f"{SCRIPTS}:{os.environ['PATH']}:/usr/sbin")
    with subprocess.Popen(
        [program, *options, "--addr", "127.0.0.1", "--port", str(free_port())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            server = Server(process, int(port), tmp_path / "log")
            url = nats["healthcheck"]["test"][-1]
            path = url.removeprefix("http://127.0.0.1:8222")
            assert server.wait_until_it_answers(path).json() == {"status": "ok"}
        finally:
            process.kill()


# What shares the work

PUBLISH: dict[str, tuple[str, Callable[[Any, int, str], Any]]] = {
    "nats_core": ("nats", lambda broker, number, name: broker.publish(number, name)),
    "nats_jetstream": (
        "nats",
        lambda broker, number, name: broker.publish(number, name, stream=f"{name}-stream"),
    ),
    "rabbit": ("rabbit", lambda broker, number, name: broker.publish(number, name)),
    "redis_list": ("redis", lambda broker, number, name: broker.publish(number, list=name)),
    "redis_stream": ("redis", lambda broker, number, name: broker.publish(number, stream=name)),
    "kafka": ("kafka", lambda broker, number, name: broker.publish(number, name)),
    "mqtt": ("mqtt", lambda broker, number, name: broker.publish(number, name, qos=1)),
}
MESSAGES = 20


def test_every_way_to_share_is_tried():
    assert {path.stem for path in EXAMPLES.glob("scaling/*.py")} == set(PUBLISH)


@pytest.mark.parametrize("name", PUBLISH)
async def test_each_message_is_handled_by_one_of_two_workers(name, tmp_path):
    server, publish = PUBLISH[name]
    handled: list[int] = []
    done = asyncio.Event()

    def handle(number: int) -> None:
        handled.append(number)
        if len(set(handled)) == MESSAGES:
            done.set()

    with SERVERS[server]() as running:
        brokers = []
        for worker in ("1", "2"):
            source = (EXAMPLES / "scaling" / f"{name}.py").read_text()
            source = re.sub(r"(?<=[:=])(4222|5672|6379|9092|1883)", str(running.port), source)
            source = source.replace("os.getpid()", worker)
            source = source.replace(
                "async def on_order(number: int) -> None: ...",
                "async def on_order(number: int) -> None:\n    handle(number)",
            )
            path = tmp_path / f"{name}_{worker}.py"
            path.write_text(source)
            brokers.append(runpy.run_path(str(path), {"handle": handle})["broker"])
        async with AsyncExitStack() as stack:
            for broker in brokers:
                stack.push_async_callback(broker.stop)
                await broker.start()
            for number in range(MESSAGES):
                await publish(brokers[number % 2], number, "orders")
            await asyncio.wait_for(done.wait(), DEADLINE)
    assert sorted(handled) == list(range(MESSAGES))


def test_commands_of_the_page_are_known():
    page = (ROOT / "docs" / "deployment.md").read_text()
    for code in re.findall(r"```shell\n(.*?)```", page, re.DOTALL):
        for line in code.splitlines():
            command, *arguments = shlex.split(line, comments=True)
            if command in ("uvicorn", "gunicorn", "faststream"):
                run = subprocess.run(
                    [sys.executable, SCRIPTS / command, *arguments[:1], "--help"]
                    if command == "faststream"
                    else [sys.executable, SCRIPTS / command, "--help"],
                    capture_output=True,
                    text=True,
                    timeout=DEADLINE,
                )
                for option in (each for each in arguments if each.startswith("--")):
                    assert option in run.stdout, (line, option)
            else:
                assert command in ("docker", "kubectl", "make"), line
    assert NATS_URL
