"""Every instance is asked for by its name, in turn; and a few of them."""

from __future__ import annotations

from functools import partial

from django.core.management import call_command
from of_this import AbstractSms, store

from caller import Measured
from django_plugin_system import get_plugin

FEW = 100


def prepare(rows: int) -> dict[str, Measured]:
    """Store ``rows`` instances."""
    call_command("migrate", verbosity=0)
    store(rows)
    ways = {f"{count:,} names in turn": count for count in (FEW, rows)}
    return {name: Measured("ask()", {"ask": partial(ask, count)}, share=count) for name, count in ways.items()}


def ask(count: int) -> None:
    """Ask for so many names."""
    for number in range(count):
        get_plugin(AbstractSms, name=f"row-{number}")
