"""One instance with many secrets, each bound to an endpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

from django.core.management import call_command
from pydantic import BaseModel, SecretStr

from caller import Measured
from django_plugin_system import BoundTo, ConfigurablePlugin, plugin_item, plugin_type
from django_plugin_system.models import PluginInstance, PluginItem


@plugin_type(name="gateway", manager="bench")
class AbstractGateway(ABC):
    """What is configured."""

    @abstractmethod
    def send(self) -> None:
        """Do nothing."""


class Route(BaseModel):
    """An endpoint, and the secret that only it may see."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]


class Config(BaseModel):
    """Many of them."""

    routes: list[Route]


@plugin_item(AbstractGateway, name="gateway", module="bench")
class Gateway(ConfigurablePlugin[Config], AbstractGateway):
    """The class behind the row."""

    def send(self) -> None:
        """Do nothing."""


def prepare(rows: int) -> dict[str, Measured]:
    """Store one instance with ``rows`` secrets."""
    call_command("migrate", verbosity=0)
    config = {"routes": [{"endpoint": f"https://{n}.example.com", "token": f"hush {n}"} for n in range(rows)]}
    row = PluginInstance.objects.create(item=PluginItem.objects.get(name="gateway"), name="main", config=config)
    names = {"row": row, "config": config, "rows": PluginInstance.objects}
    return {
        f"{rows:,} bound secrets, set_config": Measured("row.set_config(config)", names),
        f"{rows:,} bound secrets, load_config": Measured("row.load_config()", names),
    }
