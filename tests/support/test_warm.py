"""The warm interpreter starts programs as the interpreter itself does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import warm

if TYPE_CHECKING:
    from pathlib import Path

SHOW = """
import os, sys
import django_plugin_system
print(sys.argv[1:], os.getcwd(), sys.path[0], os.environ["SHOWN"], sys.stdin.read(), django_plugin_system.__file__)
print("wrong", file=sys.stderr)
sys.exit(7)
"""


def run(python: Path | str, folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Return how a program ended, and what it wrote."""
    done = subprocess.run(
        [python, *arguments],
        input="given",
        cwd=folder,
        env={**os.environ, "SHOWN": "shown", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("show.py", "a"),
        ("-m", "show", "a b"),
        ("-c", SHOW, ""),
        ("-B", "show.py"),
        ("-m", "compileall", "-q", "show.py"),
    ],
    ids=["script", "module", "code", "option", "library"],
)
def test_a_program_runs_as_ever(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """It has its arguments, folder, path, environment and files; what it wrote and its status reach who started it."""
    (tmp_path / "show.py").write_text(SHOW)
    assert run(warm.python(), tmp_path, *arguments) == run(sys.executable, tmp_path, *arguments)


@pytest.mark.parametrize("name", ["django_plugin_system", "django"])
def test_another_copy_is_the_one_in_use(tmp_path: Path, name: str) -> None:
    """A package, or Django, that stands earlier on the path is imported in the place of what is warm."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    code = SHOW.replace("django_plugin_system", name)
    _status, shown, _errors = run(warm.python(), tmp_path.parent, "-c", code, PYTHONPATH=str(tmp_path))
    assert str(tmp_path / name) in shown


def test_a_signal_reaches_the_program() -> None:
    """Who stops what it started stops the program, and sees how it ended."""
    code = "import time; print(flush=True); time.sleep(60)"
    with subprocess.Popen([warm.python(), "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
    assert process.returncode == -signal.SIGTERM
