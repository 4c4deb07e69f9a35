"""A process of its own that calls a plugin, again and again, and rolls back at random: ``SECONDS`` and a seed."""

from __future__ import annotations

import random
import sys
import time

import django
from django.db import connections, transaction


def main(until: float, chance: random.Random) -> None:
    """Call until then."""
    from django_plugin_system import get_plugin  # noqa: PLC0415 - Django must be set up first
    from tests.state import plugins  # noqa: PLC0415 - as above
    from tests.support.plugins import AbstractSms  # noqa: PLC0415 - as above

    plugins.declare()
    plugins.Crm.lease = 5  # who is killed is not waited for long
    while time.time() < until:
        with transaction.atomic():
            get_plugin(AbstractSms).send("x")
            transaction.set_rollback(chance.random() < 0.3)
    connections.close_all()


django.setup()
main(time.time() + float(sys.argv[1]), random.Random(sys.argv[2]))  # noqa: S311 - no secret
