"""A Python that has imported Django already: what a test starts with it begins a second of processor time later.

``python()`` is used as ``sys.executable`` is. Not for tests of what an import takes, or of the interpreter's options:
``serve.py`` imports what most programs need, once, and each program is a fork of that process.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

HERE = Path(__file__).parent


@functools.lru_cache(maxsize=1)
def python() -> str:
    """Return the path of the interpreter; it answers until this process ends."""
    place = Path(mkdtemp(prefix="warm-"))
    # what a program's own environment says
    told = ("COVERAGE_", "DJANGO_", "PYTHONUNBUFFERED")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(told)}
    server = subprocess.Popen(
        [sys.executable, HERE / "serve.py", place / "socket"],
        stdin=subprocess.PIPE,  # it ends when this end is closed
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n"
    server.stdout.close()
    text = f"#!{sys.executable} -IS\nREAL, SOCKET = {sys.executable!r}, {str(place / 'socket')!r}\n"
    client = place / "python"
    client.write_text(text + (HERE / "client.py").read_text())
    client.chmod(0o755)
    place.joinpath("python3").symlink_to("python")

    def stop() -> None:
        server.communicate()
        shutil.rmtree(place)

    atexit.register(stop)
    os.register_at_fork(after_in_child=lambda: atexit.unregister(stop))  # what a test forks ends before
    return str(client)
