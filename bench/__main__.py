"""``python -m bench [bars|compare|load|writes|rotation|breaker|living|desk|mail] [--on DATABASE]``: in new databases.

Without ``--on`` it measures on SQLite and on PostgreSQL. ``--quick`` only shows that a measurement works: what it
prints means nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib import import_module

import django
from django.core.management import call_command

from bench import bars, compare
from bench.databases import VENDORS, chosen_by_settings
from bench.machine import describe_machine, say

MEASUREMENTS = ("bars", "compare", "load", "writes", "rotation", "breaker", "living", "desk", "mail")
SIZES = {
    "load": (240, 12),
    "writes": (300, 5),
    "rotation": (100_000, 50),
    "breaker": (60, 1),
    "living": (10_000, 20),
    "desk": (20_000, 40),
    "mail": (400, 10),
}
"""Changes of the operator, rounds, rows, seconds, changes again, instances, and mails: in earnest, and quick."""


def main() -> None:
    """Set databases up, and measure in them."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("measurement", choices=MEASUREMENTS, nargs="?", default="bars")
    parser.add_argument("--on", choices=VENDORS, action="append", help="the database; may be given again")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    say(describe_machine())
    vendors = options.on or list(VENDORS)
    if options.measurement == "bars":
        bars.measure(vendors, quick=options.quick)
    elif options.measurement == "compare" and options.quick:
        compare.measure(vendors, rounds=1, many=20, with_peers=False)
    elif options.measurement == "compare":
        compare.measure(vendors, rounds=40)
    elif len(vendors) > 1:  # Django is set up for one database, so each gets a process of its own
        command = [sys.executable, "-m", "bench", options.measurement, *["--quick"] * options.quick, "--on"]
        for vendor in vendors:
            subprocess.run([*command, vendor], check=True)
    else:
        with chosen_by_settings(*vendors):
            django.setup()
            call_command("migrate", verbosity=0)
            import_module(f"bench.{options.measurement}").measure(SIZES[options.measurement][options.quick])
            django.db.connections.close_all()


if __name__ == "__main__":
    main()
