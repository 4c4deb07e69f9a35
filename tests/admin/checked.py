"""An item whose class has a ``check()`` that does what a test tells it to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django_plugin_system.models import PluginItem
from django_plugin_system.registry import ItemSpec, registry
from tests.admin.sample import TwilioConfig, TwilioSms

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_plugin_system.models import PluginType


class CheckedSms(TwilioSms):
    """Calls ``behave`` with itself when it is checked; ``seen`` are the configurations it was checked with."""

    behave: ClassVar[Callable[[Any], Any]]
    seen: ClassVar[list[TwilioConfig]]

    def check(self) -> Any:
        """Do what the test wants."""
        type(self).seen.append(self.config)
        return type(self).behave(self)


def raising(error: BaseException) -> Callable[[Any], Any]:
    """Return a behaviour that raises ``error``."""

    def behave(_plugin: Any) -> None:
        raise error

    return behave


def pass_quietly(_plugin: Any) -> None:
    """Be content."""


def declare_checked(plugin_type: PluginType, plugin_class: type = CheckedSms, name: str = "checked") -> PluginItem:
    """Register a class, and return the row of its item."""
    registry.add_item(ItemSpec(name, "apps.checked", plugin_class, ("sms", "apps.sms")))
    return PluginItem.objects.create(plugin_type=plugin_type, name=name, module="apps.checked", priority=1)
