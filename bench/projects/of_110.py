# mypy: ignore-errors
"""The project as written for 1.1.0, which knows items but no instances and no configuration."""

from __future__ import annotations

from abc import ABC, abstractmethod

from django.core.management import call_command

from caller import Measured
from django_plugin_system.helpers import get_plugin_instance
from django_plugin_system.register import register_plugin_item, register_plugin_type
from django_plugin_system.services.sync import sync_registered_plugins_to_db


class AbstractSms(ABC):
    """What is asked for."""

    @abstractmethod
    def send(self) -> None:
        """Do nothing."""


class Sms(AbstractSms):
    """What is given."""

    def send(self) -> None:
        """Do nothing."""


def prepare(_rows: int) -> dict[str, Measured]:
    """Store the type and the item."""
    register_plugin_type({"name": "sms", "manager": "bench", "interface": AbstractSms, "description": ""})
    item = {"name": "sms", "module": "bench", "type_name": "sms", "manager_name": "bench", "plugin_class": Sms}
    register_plugin_item({**item, "description": "", "priority": 0})
    call_command("migrate", run_syncdb=True, verbosity=0)
    sync_registered_plugins_to_db(prune=False)
    return {"1.1.0": Measured("get('sms', 'bench')", {"get": get_plugin_instance})}
