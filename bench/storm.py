"""Processes that each fail an instance of their own inside a transaction that takes its time, all at once."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench.compare import ROOT, running
from bench.machine import say

if TYPE_CHECKING:
    from bench.databases import Place

VENDORS = ("postgres",)
"""SQLite lets one transaction write at a time, whoever wrote first."""


def measure(place: Place, processes: int, transactions: int) -> dict[str, float]:
    """Let so many processes go through so many transactions, without a failover and with; return the seconds of one."""
    found = {}
    database = place.make_database()
    with ExitStack() as stack:
        workers = [
            stack.enter_context(running(place, sys.executable, "failing", number, code=ROOT, database=database))
            for number in range(processes)
        ]
        for name in workers[0].queries:
            for worker in workers:
                worker.send([name, transactions])
            found[name] = max(worker.receive() for worker in workers) / transactions
            say(f"{name:40}{found[name] * 1e3:>8,.0f} ms in each of {processes} processes")
    return found
