"""Databases that live as long as a measurement: SQLite files, and databases of a PostgreSQL server of its own."""

from __future__ import annotations

import os
import tempfile
import uuid
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from tests.support.postgres import running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

VENDORS = ("sqlite", "postgres")


@dataclass(frozen=True)
class Place:
    """Where databases can be made: a folder for files, or the host of a server."""

    vendor: str
    where: str

    def make_database(self) -> dict[str, Any]:
        """Return what Django's ``DATABASES`` needs for a new, empty database."""
        name = f"bench_{uuid.uuid4().hex}"
        if self.vendor == "sqlite":
            path = str(Path(self.where) / f"{name}.sqlite3")
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": {"timeout": 60}}
        with psycopg.connect(host=self.where, user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(f"CREATE DATABASE {name}".encode())
        return {"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": "postgres", "HOST": self.where}

    def remove(self, database: dict[str, Any]) -> None:
        """Remove a database, whoever is connected to it."""
        if self.vendor == "sqlite":
            Path(database["NAME"]).unlink(missing_ok=True)
            return
        with psycopg.connect(host=self.where, user="postgres", dbname="postgres", autocommit=True) as server:
            server.execute(f"DROP DATABASE {database['NAME']} WITH (FORCE)".encode())


@contextmanager
def opened(vendor: str) -> Iterator[Place]:
    """Yield a place for databases; it is removed with all that is in it."""
    with ExitStack() as stack:
        if vendor == "sqlite":
            yield Place(vendor, stack.enter_context(tempfile.TemporaryDirectory(prefix="dps-bench-")))
        else:
            yield Place(vendor, stack.enter_context(running_server()))


@contextmanager
def chosen_by_settings(vendor: str) -> Iterator[Place]:
    """Let ``tests.settings``, in this process and in those it starts, name a new database."""
    with opened(vendor) as place:
        database = place.make_database()
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE": vendor,
            "TEST_DATABASE_NAME": database["NAME"],
            "TEST_POSTGRES_HOST": database.get("HOST", ""),
        }
        try:
            yield place
        finally:
            place.remove(database)
