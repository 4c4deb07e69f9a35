"""What holds under load and at scale, as ratios of one run: against an earlier commit, few rows, and no failover.

Absolute times mean little on a machine that others use; both sides of a ratio take turns, as in ``bench.compare``.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from bench import startup, storm
from bench.claims import Claim
from bench.compare import ROOT, Project, check, report, running
from bench.databases import opened
from bench.machine import describe_load, say
from bench.peers import FOLDER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EARLIER = "3fb64dc"
"""The commit before health, changes and bindings got tables and tokens of their own."""


class Sizes(NamedTuple):
    """How many there are of what is measured, in earnest or quick."""

    names: int = 5_000
    cooling: tuple[int, ...] = (100, 200_000)
    pages: tuple[int, ...] = (2_000, 200_000)
    scopes: tuple[int, ...] = (100, 10_000)
    secrets: tuple[int, ...] = (250, 2_000)
    rounds: int = 10
    processes: int = 8
    transactions: int = 40
    starts: int = 15


QUICK = Sizes(120, (4,), (12,), (8,), (4,), rounds=1, processes=2, transactions=2, starts=1)
"""With one size each there is nothing to compare."""


def make_claims(sizes: Sizes) -> list[Claim]:
    """Return what has to hold."""
    few, many = sizes.pages[0], sizes.pages[-1]
    pages = (
        "list",
        "last page",
        "search for one",
        "filter by status",
        "filter by state",
        "type's page",
        "item's delete page",
        "export, a row",
    )
    return [
        Claim("now, 10 instances, strict", "earlier, 10 instances, strict", at_most=1.15),
        Claim("now, 10 instances, first call", "earlier, 10 instances, first call", at_most=0.5, vendors=("postgres",)),
        Claim(f"{sizes.names:,} names in turn", "100 names in turn", at_most=1.2),
        *(
            Claim(f"{sizes.cooling[-1]:,} in cooldown, {call}", f"{sizes.cooling[0]:,} in cooldown, {call}", at_most=2)
            for call in ("get_plugin", "failover")
        ),
        *(Claim(f"{many:,} instances, {page}", f"{few:,} instances, {page}", at_most=2) for page in pages),
        *(
            Claim(f"{sizes.scopes[-1]:,} scopes, {call}", f"{sizes.scopes[0]:,} scopes, {call}", at_most=1.5)
            for call in (
                "strict",
                "first call",
                "first call, no name",
                "some in turn",
                "explanation",
                "failover",
                "list",
                "filter by whose",
                "overview",
            )
        ),
        *(
            Claim(
                f"{sizes.secrets[-1]:,} bound secrets, {call}",
                f"{sizes.secrets[0]:,} bound secrets, {call}",
                at_most=1.5 * sizes.secrets[-1] / sizes.secrets[0],
            )
            for call in ("set_config", "load_config", "change page", "save of the page")
        ),
        Claim("a transaction", "a transaction with a failover", at_least=0.9, vendors=storm.VENDORS),
        Claim("start-up with the package", "start-up with pydantic", at_most=1.5),
    ]


def measure(vendors: Sequence[str], *, quick: bool = False) -> None:
    """Measure on each kind of database, and say which of the bars hold."""
    sizes = QUICK if quick else Sizes()
    found = startup.measure(sizes.starts)
    for vendor in vendors:
        say(f"\n{vendor}, {sizes.rounds} rounds; load before: {describe_load()}")
        with opened(vendor) as place, ExitStack() as stack:
            here = found | (
                storm.measure(place, sizes.processes, sizes.transactions) if vendor in storm.VENDORS else {}
            )

            def start(module: str, rows: int, title: str = "", code: Path = ROOT) -> Project:
                return stack.enter_context(running(place, sys.executable, module, rows, title, code=code))

            projects = [start("of_this", 10, "now, "), start("in_turn", sizes.names)]
            if not quick:  # a clone without history has no earlier commit
                projects.append(start("of_this", 10, "earlier, ", unpack(EARLIER)))
            projects += [start("cooling", rows) for rows in sizes.cooling]
            projects += [start("pages", rows) for rows in sizes.pages]
            projects += [start("scopes", count) for count in sizes.scopes]
            projects += [start("many_secrets", count) for count in sizes.secrets]
            for _round in range(sizes.rounds):
                for project in projects:
                    project.take_turns()
            report(projects)
        here |= {name: seconds for project in projects for name, seconds in project.best.items()}
        say(f"load after: {describe_load()}")
        check(make_claims(sizes), vendor, here)


def unpack(commit: str) -> Path:
    """Return a folder with the package as it was at ``commit``."""
    folder = FOLDER / commit
    if not folder.exists():
        command = ["git", "-C", str(ROOT), "archive", "--format=tar", commit, "django_plugin_system"]
        archive = subprocess.run(command, check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
    return folder
