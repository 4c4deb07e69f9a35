"""Another process on the test's database: it declares the same plugins, and does what it is told line by line."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import django

from tests.support import warm

if TYPE_CHECKING:
    from collections.abc import Iterator


class Worker:
    """The test's end of the line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Talk to a process that was started."""
        self._process = process

    def ask(self, what: str, *args: Any) -> Any:
        """Let the other process run a function of this module, and return its result."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps([what, *args]) + "\n")
        stdin.flush()
        return json.loads(stdout.readline())


@contextmanager
def running_worker() -> Iterator[Worker]:
    """Yield a worker; it ends with the block."""
    command = [warm.python(), "-m", "tests.support.worker"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Worker(process)
        process.communicate()


def serve(lines: IO[str]) -> None:
    """Run what each line asks for, and answer with a line."""
    from tests.support import errands  # noqa: PLC0415 - Django must be set up first

    errands.declare()
    for line in lines:
        what, *args = json.loads(line)
        print(json.dumps(getattr(errands, what)(*args)), flush=True)  # noqa: T201 - the other end reads it


if __name__ == "__main__":
    django.setup()
    serve(sys.stdin)
