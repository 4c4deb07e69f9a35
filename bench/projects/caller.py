"""A project that asks for a plugin, in the environment it is run by: ``python bench/projects/caller.py MODULE ROWS``.

The task is the same in each: one type, one item, and as many instances as asked for, of five fields and a secret,
where there are such things. The first line that comes in is the database, as Django's settings have it. Each line
after it names what to run, and how often; the seconds it took go out.

It is started by its path, so that the environment's own django_plugin_system is found, and not the one of the checkout.
"""

from __future__ import annotations

import json
import logging
import sys
import timeit
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import django
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext, override_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = {"account": "AC1", "endpoint": "https://api.example.com", "sender": "shop", "retries": 3, "timeout": 5.0}
SECRET = {"token": "hush" * 8}
APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
ADMIN_APPS = ["django.contrib.sessions", "django.contrib.messages", "django.contrib.admin", "django_jsonform"]
WITH_ADMIN = ("many_secrets", "pages", "scopes")
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]


class Measured(NamedTuple):
    """A statement, the names that it uses, and the settings under which it runs."""

    statement: str
    names: dict[str, Any]
    switched: dict[str, Any] = {}  # noqa: RUF012 - nobody writes to it
    share: int = 1
    """Of so many calls that the statement makes, the time of one counts."""

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Run it once, so that what it remembers is there."""
        with override_settings(**self.switched):
            exec(self.statement, dict(self.names))  # noqa: S102 - a statement of this folder
            yield

    def take_time(self, calls: int) -> float:
        """Return the seconds of so many calls, as far as the statement makes that many at a time."""
        times = max(1, calls // self.share)
        with self.ready():
            return timeit.timeit(self.statement, globals=self.names, number=times) / (times * self.share) * calls

    def count_queries(self) -> int:
        """Return how many queries one call takes."""
        with self.ready(), CaptureQueriesContext(connection) as queries:
            exec(self.statement, dict(self.names))  # noqa: S102 - a statement of this folder
        return len(queries)


def set_up(database: dict[str, Any], module: str, rows: int) -> dict[str, Measured]:
    """Set Django up, and return what ``module`` offers to be measured, by name."""
    settings.configure(
        INSTALLED_APPS=[*APPS, *(ADMIN_APPS if module in WITH_ADMIN else ()), "django_plugin_system"],
        ALLOWED_HOSTS=["testserver"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        ROOT_URLCONF=module,
        TEMPLATES=TEMPLATES,
        DATABASES={"default": database},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        SECRET_KEY="only for this measurement",
        FIELD_ENCRYPTION_KEY="only for this measurement",  # 2.0.9 asks for it, and for the next one
        SALT_KEY="only for this measurement",
    )
    django.setup()
    logging.disable()
    offered: dict[str, Measured] = import_module(module).prepare(rows)
    return offered


def main() -> None:
    """Say what there is, with the number of queries; then run what is asked for."""
    offered = set_up(json.loads(sys.stdin.readline()), sys.argv[1], int(sys.argv[2]))
    sys.stdout.write(json.dumps({name: measured.count_queries() for name, measured in offered.items()}) + "\n")
    sys.stdout.flush()
    for line in sys.stdin:
        name, calls = json.loads(line)
        sys.stdout.write(json.dumps(offered[name].take_time(calls)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
