"""The project as written for this version, and for the commits before it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from django.core.management import call_command
from django.db import connection
from pydantic import BaseModel, SecretStr

from caller import CONFIG, SECRET, Measured
from django_plugin_system import ConfigurablePlugin, get_plugin, plugin_item, plugin_type
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.selection import forget_selections

BATCH = 1_000


@plugin_type(name="sms", manager="bench")
class AbstractSms(ABC):
    """What is asked for."""

    @abstractmethod
    def send(self) -> None:
        """Do nothing."""


class Config(BaseModel):
    """Five fields and a secret."""

    account: str
    endpoint: str
    sender: str
    retries: int
    timeout: float
    token: SecretStr


@plugin_item(AbstractSms, name="sms", module="bench")
class Sms(ConfigurablePlugin[Config], AbstractSms):
    """What is given."""

    def send(self) -> None:
        """Do nothing."""


def prepare(rows: int) -> dict[str, Measured]:
    """Store ``rows`` instances."""
    call_command("migrate", verbosity=0)
    store(rows)
    config = PluginInstance.objects.get(name="row-0").load_config()
    names = {"get": get_plugin, "AbstractSms": AbstractSms, "forget": forget_selections}
    title = f"{rows:,} instances"
    bounded = {"PLUGIN_SYSTEM": {"MAX_STALENESS": 3600}}
    by_name, by_type = "get(AbstractSms, name='row-0')", "get(AbstractSms)"
    return {
        f"{title}, strict": Measured(by_name, names),
        f"{title}, strict, no name": Measured(by_type, names),
        f"{title}, bounded": Measured(by_name, names, bounded),
        f"{title}, first call": Measured(f"forget(); {by_name}", names),
        f"{title}, first call, no name": Measured(f"forget(); {by_type}", names),
        "dict look-up and class call": Measured("known['row-0'](config)", {"known": {"row-0": Sms}, "config": config}),
        "bare SELECT of one row": Measured("select()", {"select": select}),
    }


def store(count: int) -> None:
    """Store rows, each with a configuration and a secret of its own; the first one comes first."""
    item = PluginItem.objects.get()
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        rows = [PluginInstance(item=item, name=f"row-{number}", priority=min(number, 100)) for number in numbers]
        for row in rows:
            row.set_config({**CONFIG, **SECRET})
        PluginInstance.objects.bulk_create(rows)


def select() -> object:
    """Read one row through Django's cursor."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations WHERE id = 1")
        return cursor.fetchone()
