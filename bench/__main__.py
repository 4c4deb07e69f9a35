"""``python -m bench rotation [--rows 100000] [--postgres]``: measure, in a database that is removed afterwards."""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import django
from django.core.management import call_command

from tests.support.postgres import running_server

MEASUREMENTS = ("rotation",)


def main() -> None:
    """Set a database up, and measure in it."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("measurement", choices=MEASUREMENTS)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL instead of SQLite")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        if options.postgres:
            os.environ |= {"TEST_DATABASE": "postgres", "TEST_POSTGRES_HOST": stack.enter_context(running_server())}
        else:
            os.environ |= {"TEST_DATABASE": "sqlite", "TEST_DATABASE_NAME": str(folder / "bench.sqlite3")}
        django.setup()
        call_command("migrate", verbosity=0)
        import_module(f"bench.{options.measurement}").measure(options.rows)


if __name__ == "__main__":
    main()
