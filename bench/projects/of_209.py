# mypy: ignore-errors
"""The project as written for 2.0.9, which encrypts the configuration of an instance as a whole."""

from __future__ import annotations

from abc import abstractmethod

from django.core.management import call_command

from caller import CONFIG, SECRET, Measured
from django_plugin_system.helpers import get_plugin_instance
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.plugin_core import BasePluginItem, BasePluginType
from django_plugin_system.register import register_plugin_item, register_plugin_type
from django_plugin_system.services.sync import sync_registered_plugins_to_db


class AbstractSms(BasePluginType):
    """What is asked for."""

    name = "sms"

    @abstractmethod
    def send(self) -> None:
        """Do nothing."""

    @classmethod
    def __plugin_item_validator__(cls, plugin_item_cls: type) -> None:
        """Accept every item; the one that 2.0.9 provides calls itself without end."""


class Sms(BasePluginItem):
    """What is given."""

    name = "sms"
    plugin_type = AbstractSms

    def send(self) -> None:
        """Do nothing."""


def prepare(rows: int) -> dict[str, Measured]:
    """Store ``rows`` instances."""
    register_plugin_type({"name": "sms", "interface": AbstractSms})
    register_plugin_item({"name": "sms", "plugin_class": Sms})
    call_command("migrate", verbosity=0)
    sync_registered_plugins_to_db(prune=False)
    PluginInstance.objects.all().delete()
    item = PluginItem.objects.get()
    many = [PluginInstance(item=item, name=f"row-{number}", config={**CONFIG, **SECRET}) for number in range(rows)]
    PluginInstance.objects.bulk_create(many)
    names = {"get": get_plugin_instance, "AbstractSms": AbstractSms}
    on = {"DJANGO_PLUGIN_SYSTEM_USE_CACHE": True}
    title = f"2.0.9, {rows:,} instance{'s' * (rows > 1)}"
    return {
        title: Measured("get(AbstractSms)", names),
        f"{title}, from its cache": Measured("get(AbstractSms)", names, on),
    }
