"""Published releases beside the one under test, and the shop run on either of them, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from django.db import connections

from tests.support import warm
from tests.support.databases import new_database

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
"""Where the tests are; the package, too, unless it is installed as a wheel."""


class ErrandFailed(Exception):
    """The shop answered with an error."""


def install(requirement: str, folder: Path) -> Path:
    """Install one published release, without what it depends on, into a folder that can go on a path; return that.

    The coverage measurement leaves out folders whose name begins with ``published-``.
    """
    target = folder / f"published-{requirement}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), requirement]
    subprocess.run(pip, check=True, capture_output=True)
    return target


class Process:
    """A running shop."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Talk to a process that was started."""
        self._process = process

    def do(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """Let the shop run an errand, and return its result.

        :raises ErrandFailed: if it raised.
        """
        stdin, stdout = _require(self._process.stdin), _require(self._process.stdout)
        stdin.write(json.dumps([what, args, kwargs]) + "\n")
        stdin.flush()
        answer = json.loads(stdout.readline())
        if "error" in answer:
            raise ErrandFailed(answer["error"])
        return answer["result"]


def _require(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


@dataclass(frozen=True)
class Shop:
    """The project with a database of its own. ``path`` lists the releases that stand in front of what is installed."""

    folder: Path
    database: str
    path: tuple[Path, ...] = ()
    own_migrations: tuple[str, ...] = ("people",)
    """The apps whose migrations are kept in the project's folder, by the setting MIGRATION_MODULES."""
    features: str = ""
    """What a later release of the shop adds."""

    def on(self, *path: Path, **changes: Any) -> Shop:
        """Return the same project and database on other releases."""
        return replace(self, path=path, **changes)

    @contextmanager
    def running(self) -> Iterator[Process]:
        """Yield the shop in a process; it ends with the block."""
        command = [warm.python(), "-m", "tests.upgrades.shop.serve"]
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.upgrades.shop.settings",
            "PYTHONPATH": os.pathsep.join(map(str, (*self.path, ROOT))),
            "SHOP_FEATURES": self.features,
            "SHOP_MIGRATION_MODULES": json.dumps({app: f"{app}_migrations" for app in self.own_migrations}),
            "TEST_DATABASE_NAME": self.database,
        }
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, cwd=self.folder, env=environment, **pipes) as process:
            yield Process(process)
            process.communicate()

    def do(self, what: str, *args: Any, **kwargs: Any) -> Any:
        """Run one errand in a process of its own."""
        with self.running() as process:
            return process.do(what, *args, **kwargs)


MIGRATIONS = ("people_migrations", "django_plugin_system_migrations")


@contextmanager
def new_shop(folder: Path, *path: Path, alias: str = "fresh") -> Iterator[Shop]:
    """Yield the project with a new, empty database."""
    for name in MIGRATIONS:
        package = folder / name
        package.mkdir()
        package.joinpath("__init__.py").touch()
    with new_database(folder, alias):
        yield Shop(folder, str(connections.settings[alias]["NAME"]), path)


@contextmanager
def copied_shop(original: Shop, folder: Path, *path: Path) -> Iterator[Shop]:
    """Yield the project with the migrations of ``original`` and a copy of its database, which nobody may be using."""
    for name in MIGRATIONS:
        shutil.copytree(original.folder / name, folder / name)
    with new_database(folder, like=original.database) as alias:
        yield Shop(folder, str(connections.settings[alias]["NAME"]), path)
