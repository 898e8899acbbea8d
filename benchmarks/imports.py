"""Imports: what loading this package costs beside FastStream's own HTTP side.

Each import runs in a fresh process, ten times; the medians of CPU time count. The goal is at most
1.15 times `faststream.asgi`. What is loaded late is loaded with the last rows.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.measure import table

__all__ = ("main",)

ROUNDS = 10
UPSTREAM = "import faststream.asgi"
OURS = ("import faststream_integrations", "import faststream_integrations.asgi")
ALL_OF_IT = (
    "from faststream_integrations import AsgiFastStream, get",
    "from faststream_integrations import *",
)

SCRIPT = """
import time
started = time.process_time()
{}
print(time.process_time() - started)
"""


def main() -> None:
    seconds: dict[str, list[float]] = {code: [] for code in (UPSTREAM, *OURS, *ALL_OF_IT)}
    for _ in range(ROUNDS):
        for code, found in seconds.items():
            command = [sys.executable, "-c", SCRIPT.format(code)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(float(done.stdout))
    rows = []
    for code, found in seconds.items():
        times = median(found) / median(seconds[UPSTREAM])
        goal = f" (<= 1.15{' MISSED' if times > 1.15 else ''})" if code in OURS else ""
        rows.append([f"`{code}`", f"{median(found) * 1e3:.0f}", f"{times:.2f}{goal}"])
    print(table(["", "ms of CPU", "times upstream's"], rows))
