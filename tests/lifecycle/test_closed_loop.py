"""An event loop that is closed while a broker runs does not spoil the next start of the broker."""

import os
import subprocess
import sys
from typing import Any

from tests.lifecycle.kinds import Kind
from tests.processes import DEADLINE


def check_next_starts(kind: Kind, server: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.lifecycle.closed_loop_service", kind.name],
        env={**os.environ, "SERVER_PORT": str(server.port)},
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE,
        check=False,
    )
    assert done.stdout == "handled first second third\n", done.stderr[-4000:]


def test_broker_whose_event_loop_was_closed_starts_in_another(kind, server):
    check_next_starts(kind, server)
