"""``python -m bench.load_reader BOARD THREADS``: select until told to stop, and print what was seen as JSON."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any

import django
from django.db import connection
from django.test import override_settings


class Reader(Thread):
    """Selects again and again, and compares what it gets with what was committed before it asked."""

    def __init__(self, project: Any, board: Any) -> None:
        """Read from the project, and the board."""
        super().__init__()
        self._project, self._board = project, board
        self.stale = 0
        self.errors: list[str] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        """Select until the end, by name and without."""
        ways: tuple[dict[str, str], ...] = ({"name": "main"}, {})
        while not self._board.over:
            try:
                self.select(ways[len(self.seconds) % 2])
            except Exception as error:  # noqa: BLE001, PERF203 - it is what this looks for
                self.errors.append(repr(error))
        connection.close()

    def select(self, way: dict[str, str]) -> None:
        """Select once."""
        committed, began = self._board.committed, time.perf_counter()
        plugin = self._project.get_plugin(self._project.AbstractLoad, **way)
        self.seconds.append(time.perf_counter() - began)
        self.stale += plugin.config.changes < committed


def main() -> None:
    """Read in several threads, and say what they saw."""
    django.setup()
    project = import_module("bench.load_project")
    board = project.Board(Path(sys.argv[1]))
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": project.KEYS}):
        readers = [Reader(project, board) for _number in range(int(sys.argv[2]))]
        readers[0].select({"name": "main"})
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    seen = {
        "stale": sum(reader.stale for reader in readers),
        "errors": [error for reader in readers for error in reader.errors][:10],
        "seconds": [second for reader in readers for second in reader.seconds],
    }
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
