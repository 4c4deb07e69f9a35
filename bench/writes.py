"""What a write costs, and what share of that is its change: the same write is done with it, and without.

Both take turns, and of each the fastest turn counts, as in ``bench.compare``.
"""

from __future__ import annotations

import timeit
from typing import TYPE_CHECKING

from django.db import connection

from bench.machine import describe_load, say
from bench.rotation import fill
from django_plugin_system import changes
from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 1_000


def measure(rounds: int) -> None:
    """Write one row, and a thousand, ``rounds`` times each way."""
    fill(ROWS)
    rows = list(PluginInstance.objects.select_related("item__plugin_type"))
    say(f"{connection.vendor}, {rounds} rounds; load before: {describe_load()}")
    writes: dict[str, Callable[[], object]] = {
        "save()": rows[0].save,
        "save(update_fields=['status'])": lambda: rows[0].save(update_fields=["status"]),
        "update() of 1 row": lambda: PluginInstance.objects.filter(pk=rows[0].pk).update(status="active"),
        f"update() of {ROWS:,} rows": lambda: PluginInstance.objects.update(status="active"),
        f"bulk_update() of {ROWS:,} rows": lambda: PluginInstance.objects.bulk_update(rows, ["priority"]),
    }
    for name, write in writes.items():
        noted, without = take_turns(write, rounds if "rows" not in name else max(3, rounds // 10))
        cost = noted - without
        say(f"{name:32}{noted * 1e3:>10,.2f} ms, {cost * 1e3:>6,.2f} ms or {cost / without:>5.1%} of it the change")
    say(f"load after: {describe_load()}")


def take_turns(write: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Return the seconds of the fastest write with the change, and without."""
    note_change, best = changes.note_change, [float("inf")] * 2
    for turn in range(2 * rounds):
        changes.note_change = note_change if turn % 2 == 0 else _say_nothing
        best[turn % 2] = min(best[turn % 2], timeit.timeit(write, number=1))
    changes.note_change = note_change
    return best[0], best[1]


def _say_nothing(using: str) -> None:
    """Leave the change out."""
