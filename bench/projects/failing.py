"""A transaction that takes its time, and one in which an instance of this process's own fails first."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

from django.core.management import call_command
from django.db import transaction
from of_this import AbstractSms

from caller import CONFIG, SECRET, Measured
from django_plugin_system import AllPluginsFailed, PluginUnavailable, failover, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem

PAUSE = 0.2
"""Seconds that a transaction takes."""


def prepare(number: int) -> dict[str, Measured]:
    """Store the instance of this process."""
    call_command("migrate", verbosity=0)
    name = f"row-{number}"
    PluginInstance.objects.create(item=PluginItem.objects.get(), name=name, config={**CONFIG, **SECRET})
    return {
        "a transaction": Measured("run()", {"run": partial(work, name)}),
        "a transaction with a failover": Measured("run()", {"run": partial(work, name, fails=True)}),
    }


def work(name: str, *, fails: bool = False) -> None:
    """Use an instance in a transaction."""
    with transaction.atomic():
        if fails:
            fail(name)
        else:
            get_plugin(AbstractSms, name=name)
        time.sleep(PAUSE)


def fail(name: str) -> None:
    """Let the instance fail."""
    with suppress(AllPluginsFailed):
        for attempt in failover(AbstractSms, name=name, cooldown=0.01):
            with attempt:
                raise PluginUnavailable
