"""Selections of many processes and threads while an operator edits, disables, writes in bulk and rotates keys.

Each change writes its number into the configuration that is selected from then on, and is noted on a board once it is
committed. A reader looks at the board before it selects: in strict mode it may never get an older configuration.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import IO, Any, cast

from django.db import connection
from django.test import override_settings

from bench.load_project import KEYS, Board
from bench.machine import describe_load, say
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rotation import rotate_secrets
from django_plugin_system.sync import sync_registered_plugins_to_db

PROCESSES, THREADS = 8, 4
SHORT = 20
"""So few turns only show that this works, and two processes do."""


def measure(turns: int) -> None:
    """Let an operator take ``turns`` while everybody reads, and print what was seen; exit if anything was wrong."""
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": KEYS}), tempfile.TemporaryDirectory() as folder:
        sync_registered_plugins_to_db()
        for item in PluginItem.objects.filter(plugin_type__name="load"):
            item.instances.create(name="main", config={"changes": 0, "token": "hush"})
        board = Board(Path(folder) / "board")
        command = [sys.executable, "-m", "bench.load_reader", str(Path(folder) / "board"), str(THREADS)]
        processes = PROCESSES if turns > SHORT else 2
        readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _number in range(processes)]
        for reader in readers:
            cast("IO[str]", reader.stdout).readline()  # it has selected something
        began = time.perf_counter()
        try:
            operate(board, turns)
        finally:
            board.end()
            seconds = time.perf_counter() - began
            seen = [json.loads(reader.communicate()[0]) for reader in readers]
    report(seen, board.committed, seconds)


def operate(board: Board, turns: int) -> None:
    """Make changes, one kind after the other."""
    for change in islice(cycle([edit, write_in_bulk, disable, edit_second, enable, rotate]), turns):
        changes = board.committed + 1
        change(changes)
        board.committed = changes


def get_rows() -> list[PluginInstance]:
    """Return both instances, the one of the first item first."""
    return list(PluginInstance.objects.filter(name="main").order_by("item__priority"))


def save(row: PluginInstance, changes: int) -> None:
    """Store a new configuration."""
    row.set_config({"changes": changes, "token": f"hush {changes}"})
    row.save()


def edit(changes: int) -> None:
    """Save the row that is selected."""
    save(get_rows()[0], changes)


def edit_second(changes: int) -> None:
    """Save the row that is selected while the first is disabled."""
    save(get_rows()[1], changes)


def write_in_bulk(changes: int) -> None:
    """Write both rows at once."""
    rows = get_rows()
    for row in rows:
        row.set_config({"changes": changes, "token": "hush"})
    PluginInstance.objects.bulk_update(rows, ["config"])


def disable(changes: int) -> None:
    """Prepare the second row, then take the first out: from then on the second is selected."""
    first, second = get_rows()
    save(second, changes)
    PluginInstance.objects.filter(pk=first.pk).update(status="disable")


def enable(changes: int) -> None:
    """Prepare the first row, then bring it back."""
    first, _second = get_rows()
    save(first, changes)
    PluginInstance.objects.filter(pk=first.pk).update(status="active")


def rotate(changes: int) -> None:
    """Encrypt all with the other key; the readers have both."""
    keys = KEYS if changes // 6 % 2 else KEYS[::-1]
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": keys}):
        report = rotate_secrets()
        if report.failed:
            sys.exit(f"The rotation went wrong: {report}")
    edit(changes)


def report(seen: list[dict[str, Any]], changes: int, seconds: float) -> None:
    """Print the figures.

    :raises SystemExit: if there was an error or a stale read.
    """
    waits = sorted(wait for one in seen for wait in one["seconds"])
    stale, errors = sum(one["stale"] for one in seen), [error for one in seen for error in one["errors"]]
    say(f"{connection.vendor}, {len(seen)} processes x {THREADS} threads, {changes:,} changes; load: {describe_load()}")
    say(f"{len(waits):,} selections, {len(waits) / seconds:,.0f} a second; {changes / seconds:,.1f} changes a second")
    shares = {"half": 0.5, "99 %": 0.99, "all": 1}
    within = [f"{name} within {waits[int((len(waits) - 1) * share)] * 1e3:,.2f} ms" for name, share in shares.items()]
    say(f"{', '.join(within)}; stale: {stale}; errors: {len(errors)} {errors[:3] or ''}")
    if stale or errors or not waits:
        sys.exit("Selections under load went wrong.")
