"""Every instance of the type is in cooldown: what it takes to be refused, and to try the one that is back first."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

from django.core.management import call_command
from django.utils import timezone
from of_this import AbstractSms, store

from caller import Measured
from django_plugin_system import AllPluginsFailed, NoPluginAvailable, PluginUnavailable, failover, get_plugin
from django_plugin_system.models import PluginHealth


def prepare(rows: int) -> dict[str, Measured]:
    """Store ``rows`` instances, and put them into cooldown."""
    call_command("migrate", verbosity=0)
    store(rows)
    PluginHealth.objects.update(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    return {
        f"{rows:,} in cooldown, get_plugin": Measured("refuse()", {"refuse": refuse}),
        f"{rows:,} in cooldown, failover": Measured("fail()", {"fail": fail}),
    }


def refuse() -> None:
    """Ask for a plugin in vain."""
    with suppress(NoPluginAvailable):
        get_plugin(AbstractSms)


def fail() -> None:
    """Let the one attempt fail."""
    with suppress(AllPluginsFailed):
        for attempt in failover(AbstractSms, cooldown=3600):
            with attempt:
                raise PluginUnavailable
