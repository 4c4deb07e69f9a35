"""How long a call for a plugin takes: this version, its peers, and what it cannot be faster than.

Each project runs in a process of its own (``bench/projects``). They take turns, a short while each, round after round,
and of each the fastest turn counts: so all of them meet the same machine, quiet or not. pyperf and pytest-benchmark
measure one subject after the other, in one environment; what else the machine does meanwhile would decide.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from bench import peers
from bench.claims import CLAIMS
from bench.databases import opened
from bench.machine import describe_load, say

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.claims import Claim
    from bench.databases import Place

ROOT = Path(__file__).parents[1]
CALLER = Path(__file__).with_name("projects") / "caller.py"
TURN = 0.03
"""Seconds that a turn takes, about."""
FEW, MANY = 10, 100_000


@dataclass
class Project:
    """A process that makes calls when told to."""

    process: subprocess.Popen[str]
    title: str = ""
    """Stands before the name of each of its calls."""
    queries: dict[str, int] = field(default_factory=dict)
    """What can be measured, and how many queries one call takes."""
    calls: dict[str, int] = field(default_factory=dict)
    """How many calls make a turn."""
    best: dict[str, float] = field(default_factory=dict)
    """Seconds of one call, in the fastest turn."""

    def send(self, message: object) -> None:
        """Write a line to it."""
        stdin = cast("IO[str]", self.process.stdin)
        stdin.write(json.dumps(message) + "\n")
        stdin.flush()

    def receive(self) -> Any:
        """Wait for its answer, and return it."""
        return json.loads(cast("IO[str]", self.process.stdout).readline())

    def ask(self, message: object) -> Any:
        """Send a line, and return the answer."""
        self.send(message)
        return self.receive()

    def begin(self, database: dict[str, Any]) -> None:
        """Let it fill its database, and say what it offers."""
        self.queries = {f"{self.title}{name}": count for name, count in self.ask(database).items()}

    def take_turns(self) -> None:
        """Run each of its calls for a while."""
        for name in self.queries:
            calls = self.calls.get(name, 1)
            seconds = self.ask([name.removeprefix(self.title), calls])
            self.best[name] = min(self.best.get(name, seconds / calls), seconds / calls)
            self.calls[name] = max(1, int(TURN / self.best[name]))


@contextmanager
def running(  # noqa: PLR0913 - what a project is made of
    place: Place,
    python: str,
    module: str,
    rows: int,
    title: str = "",
    *,
    code: Path | None = None,
    database: dict[str, Any] | None = None,
) -> Iterator[Project]:
    """Yield a project with the package of its environment, or with that in ``code``.

    It has a database of its own, or shares the one that is given.
    """
    made = database or place.make_database()
    command = [python, "-W", "ignore", str(CALLER), module, str(rows)]
    paths = {} if code is None else {"PYTHONPATH": str(code)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **paths}
    ) as process:
        project = Project(process, title)
        project.begin(made)
        yield project
        process.communicate()
    if database is None:
        place.remove(made)


def measure(vendors: Sequence[str], *, rounds: int, many: int = MANY, with_peers: bool = True) -> None:
    """Measure on each kind of database, and print what was found."""
    for vendor in vendors:
        with opened(vendor) as place, ExitStack() as stack:
            wanted = [(sys.executable, "of_this", rows, "1.2, ") for rows in (FEW, many)]
            if with_peers:
                old, new = (peers.get_python(release) for release in peers.VERSIONS)
                wanted += [(old, "of_110", 1, ""), (new, "of_209", 1, ""), (new, "of_209", 1_000, "")]
            projects = [stack.enter_context(running(place, *each, code=ROOT if each[3] else None)) for each in wanted]
            say(f"\n{vendor}, {rounds} rounds; load before: {describe_load()}")
            for _round in range(rounds):
                for project in projects:
                    project.take_turns()
            report(projects)
            say(f"load after: {describe_load()}")
            check(CLAIMS, vendor, {name: seconds for project in projects for name, seconds in project.best.items()})


def report(projects: Sequence[Project]) -> None:
    """Print the time of each call, and how many times those of the peers fit in."""
    found = {name: seconds for project in projects for name, seconds in project.best.items()}
    queries = {name: count for project in projects for name, count in project.queries.items()}
    against = [name for name in ("1.1.0", "2.0.9, 1 instance") if name in found]
    say(f"{'':40}{'queries':>8}{'µs a call':>12}" + "".join(f"{'faster than ' + name[:5]:>19}" for name in against))
    for name, seconds in found.items():
        times = "".join(f"{found[other] / seconds:>18,.1f}x" for other in against)
        say(f"{name:40}{queries[name]:>8}{seconds * 1e6:>12,.2f}{times}")


def check(claims: Iterable[Claim], vendor: str, found: dict[str, float]) -> None:
    """Print which of the aims are met."""
    for claim in claims:
        if vendor in claim.vendors and claim.slow in found and claim.fast in found:
            say(claim.judge(found))
