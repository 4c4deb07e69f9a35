"""A terminal for documents: runs a command line, and keeps the folder and the variables that it leaves behind."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import ProxyHandler, build_opener

from tests.support import warm

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60
"""Seconds that a server may take to answer."""
_AFTER = 'status=$?; pwd -P > "$STATE/folder"; export -p > "$STATE/variables"; exit $status'


@dataclass(frozen=True)
class Command:
    """One command line of a ``console`` block, and the output that the block shows for it."""

    text: str
    output: str


def parse_console(text: str) -> Iterator[Command]:
    """Yield the commands of a ``console`` block: the lines that start with ``$``."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield Command(command.strip(), output)


def _make_environment() -> dict[str, str]:
    """Return the environment of a reader, whose processes are not measured."""
    not_theirs = ("COVERAGE_", "DJANGO_", "TEST_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(not_theirs)}
    kept["PATH"] = os.pathsep.join([str(Path(warm.python()).parent), str(Path(sys.executable).parent), kept["PATH"]])
    # what a document writes twice within a second would be run as it was first
    return kept | {"PYTHONDONTWRITEBYTECODE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}


@dataclass
class Terminal:
    """A shell in ``folder``, whose ``python`` is the interpreter that runs the tests until it enters another one."""

    folder: Path
    state: Path
    """Where the folder and the variables are noted between two commands."""
    environment: dict[str, str] = field(default_factory=_make_environment)

    def __post_init__(self) -> None:
        """Make the folders, and start in ``folder``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(parents=True, exist_ok=True)
        self.state.joinpath("folder").write_text(str(self.folder))
        self.state.joinpath("variables").write_text("")

    @property
    def place(self) -> Path:
        """Return the folder the terminal is in."""
        return Path(self.state.joinpath("folder").read_text().strip())

    def start(self, command: str, **options: object) -> subprocess.Popen[str]:
        """Start ``command`` where the last one ended."""
        # set -a: a variable that a command sets must be there for the next one, which another shell runs
        script = f'set -a; . "$STATE/variables"; cd "$(cat "$STATE/folder")"; {command}'
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
        environment = self.environment | {"STATE": str(self.state)}
        return subprocess.Popen(["/usr/bin/env", "bash", "-c", script], env=environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    def run(self, command: str, given: str = "") -> tuple[int, str]:
        """Run ``command`` with ``given`` on its standard input; return its status and what it wrote."""
        process = self.start(f"{command}\n{_AFTER}", stdin=subprocess.PIPE)
        output, _ = process.communicate(given)
        return process.returncode, output

    @contextlib.contextmanager
    def serve(self, command: str) -> Iterator[str]:
        """Run ``command``, a ``manage.py runserver``, on a free port for the length of the block; yield its address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = self.start(f"exec {command} --noreload 127.0.0.1:{port}", stdout=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/admin/login/")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def wait_for(address: str) -> None:
    """Return once ``address`` answers, or once it had time enough to."""
    end = time.monotonic() + PATIENCE
    while not answers(address) and time.monotonic() < end:
        time.sleep(0.1)


def answers(address: str) -> bool:
    """Say whether a server answers at ``address``."""
    try:
        build_opener(ProxyHandler({})).open(address, timeout=PATIENCE).close()
    except OSError:
        return False
    return True
