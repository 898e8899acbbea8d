"""Does what a page's quick start says, as a stranger does: in a fresh environment, word by word.

A section ``## Quick start`` is read from top to bottom. ``pip install`` makes a new environment,
Python blocks become files, ``uvicorn`` runs, ``curl`` has to be answered with 2xx, or with the JSON
that the page shows next.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from faststream_integrations.testing import nats_server
from tools.environments import CONSTRAINTS, PIP, ROOT, make_environment

__all__ = ("Block", "blocks", "follow", "pages")

PACKAGE = "faststream-integrations"
NATS_URL = "nats://127.0.0.1:4222"
SERVER = "http://127.0.0.1:8000"
WAIT = 30.0
"""Seconds that a server may take to answer as the page says."""


class Block:
    """A block of code on a page.

    Attributes:
        language: As ``shell``.
        title: The file's name; "" where it has none.
        code: What is in it, with included files.
    """

    def __init__(self, language: str, title: str, code: str) -> None:
        self.language = language
        self.title = title
        self.code = code


def pages() -> list[Path]:
    """The pages that have a quick start."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    return [page for page in found if "\n## Quick start\n" in page.read_text()]


def blocks(text: str) -> Iterator[Block]:
    """Go through the blocks of a page's quick start.

    Args:
        text: The page.

    Yields:
        The blocks, in order.
    """
    section = text.partition("\n## Quick start\n")[2].partition("\n## ")[0]
    position = 0
    for block in re.finditer(r"^```(\w+)([^\n]*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL):
        before, position = section[position : block.start()], block.end()
        code = re.sub(
            r'^--8<-- "(.+)"$',
            lambda include: (ROOT / include[1]).read_text().rstrip(),
            block[3],
            flags=re.MULTILINE,
        )
        names = (
            re.search(r'title="(.+?)"', block[2]),
            re.match(r"# (\w+\.py)\n", code),
            re.search(r"Save this as `(.+?)`", before),
        )
        name = next((found[1] for found in names if found), "")
        yield Block(block[1], name if block[1] == "python" else "", code)


def follow(page: Path, distribution: Path) -> None:
    """Do what the quick start of a page says.

    Args:
        page: The page.
        distribution: The wheel or sdist in place of the package's name.

    Raises:
        AssertionError: Something did not do what the page says.
        subprocess.CalledProcessError: A command failed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        quick_start = _QuickStart(folder, distribution, stack)
        for block in blocks(page.read_text()):
            quick_start.do(block)
        quick_start.ask_as_before()
        assert quick_start.asked, f"{page} asks nothing"


@contextmanager
def _nothing_on_path() -> Iterator[None]:
    """Let pip find no Node.js that a user may not have."""
    path = os.environ["PATH"]
    os.environ["PATH"] = ""
    try:
        yield
    finally:
        os.environ["PATH"] = path


class _QuickStart:
    """Where a reader has got to."""

    def __init__(self, folder: Path, distribution: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.distribution = distribution
        self.asked: list[str] = []
        self.asked_since_the_start = True
        self.body = ""
        self.status = 0
        curl = shutil.which("curl")
        assert curl is not None, "curl is not installed"
        self.curl = curl
        self.nats_url = stack.enter_context(nats_server()).url
        self.server = stack.enter_context(ExitStack())
        self.address = ""
        self.scripts = Path()

    def do(self, block: Block) -> None:
        if block.language == "python":
            code = block.code.replace(NATS_URL, self.nats_url)
            (self.folder / block.title).write_text(code)
        elif block.language == "json":
            assert json.loads(self.body) == json.loads(block.code)
            self.status = 200
        elif block.language == "shell":
            for line in block.code.splitlines():
                self._command(line)

    def ask_as_before(self) -> None:
        """Ask the server that runs what the ones before it were asked, if nothing else was."""
        assert 200 <= self.status < 300 or not self.asked, f"{self.status}: {self.body}"
        if not self.asked_since_the_start:
            for line in list(self.asked):
                self._ask(line)

    def _command(self, line: str) -> None:
        command, *arguments = shlex.split(line, comments=True)
        if command == "pip":
            self._install(arguments)
        elif command == "uvicorn":
            self.ask_as_before()
            self.server.close()
            self.address = self.server.enter_context(self._served(arguments))
            self.asked_since_the_start = False
        elif command == "curl":
            assert 200 <= self.status < 300 or not self.status, f"{self.status}: {self.body}"
            self.asked.append(line)
            self._ask(line)
        else:
            assert command == "nats-server", f"what is {line}?"

    def _install(self, arguments: list[str]) -> None:
        assert arguments.pop(0) == "install"
        environment = Path(self.folder, f"venv-{len(list(self.folder.glob('venv-*')))}")
        wanted = [each.replace(PACKAGE, f"{PACKAGE}@", 1) for each in arguments]
        named = [
            re.sub(rf"^{PACKAGE}@(\[.*\])?$", rf"{PACKAGE}\1 @ {self.distribution.as_uri()}", each)
            for each in wanted
        ]
        constraints = [f"--{kind}={CONSTRAINTS}" for kind in ("constraint", "build-constraint")]
        with _nothing_on_path():
            make_environment(environment, ["--upgrade", PIP], [*named, *constraints])
        self.scripts = environment / "bin"

    @contextmanager
    def _served(self, arguments: list[str]) -> Iterator[str]:
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        log = self.folder / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [self.scripts / "uvicorn", *arguments, "--port", str(port)],
                cwd=self.folder,
                env={"PATH": str(self.scripts), "HOME": str(self.folder)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            deadline = time.monotonic() + WAIT
            while "Application startup complete" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(WAIT)

    def _ask(self, line: str) -> None:
        """Run curl. What a message brings about is there a moment later, so 404 is asked again."""
        assert SERVER in line
        arguments = shlex.split(line.replace(SERVER, self.address))[1:]
        file = self.folder / "answer"
        options = ["--silent", "--show-error", "--no-include", "-o", str(file)]
        deadline = time.monotonic() + WAIT
        while True:
            answer = subprocess.run(
                [self.curl, *arguments, *options, "-w", "%{http_code}"],
                check=True,
                capture_output=True,
                text=True,
                timeout=WAIT,
            )
            self.status = int(answer.stdout)
            self.body = file.read_text() if file.exists() else ""
            if self.status != 404 or time.monotonic() > deadline:
                break
        self.asked_since_the_start = True
