"""An item whose secrets belong to an endpoint, alone and in a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, SecretStr

from django_plugin_system import BoundTo, ConfigurablePlugin
from django_plugin_system.models import PluginItem
from django_plugin_system.registry import ItemSpec, registry
from tests.admin.sample import SECRET, AbstractSms, make_instance

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance, PluginType


class Mirror(BaseModel):
    """Another server, with its own secret."""

    url: str
    key: Annotated[SecretStr, BoundTo("url")]


class BoundConfig(BaseModel):
    """An endpoint and its secret."""

    endpoint: str = "https://good.example"
    token: Annotated[SecretStr, BoundTo("endpoint")]
    note: str = ""
    mirrors: list[Mirror] = []


class BoundSms(ConfigurablePlugin[BoundConfig], AbstractSms):
    """A provider whose secrets go nowhere else."""

    def send(self, number: str, text: str) -> str:
        """Do nothing."""
        return f"{number} {text}"


def make_bound(plugin_type: PluginType) -> PluginInstance:
    """Register the class, and return a stored instance of it."""
    registry.add_item(ItemSpec("bound", "apps.bound", BoundSms, ("sms", "apps.sms")))
    item = PluginItem.objects.create(plugin_type=plugin_type, name="bound", module="apps.bound")
    mirrors = [{"url": f"https://{name}", "key": f"{SECRET}-{name}"} for name in "ab"]
    return make_instance(item, "bound", config={"token": SECRET, "mirrors": mirrors})
