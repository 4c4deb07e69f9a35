"""One instance with many secrets, each bound to an endpoint."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import path
from pydantic import BaseModel, SecretStr

from caller import Measured
from django_plugin_system import BoundTo, ConfigurablePlugin, plugin_item, plugin_type
from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.helpers import read_form

if TYPE_CHECKING:
    from collections.abc import Callable

urlpatterns = [path("admin/", admin.site.urls)]


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
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    url = f"/admin/django_plugin_system/plugininstance/{row.pk}/change/"
    form = read_form(client.get(url))
    names = {
        "row": row,
        "config": config,
        "get": partial(ask, client.get, url, answer=HTTPStatus.OK),
        "save": partial(ask, client.post, url, form, answer=HTTPStatus.FOUND),
    }
    return {
        f"{rows:,} bound secrets, set_config": Measured("row.set_config(config)", names),
        f"{rows:,} bound secrets, load_config": Measured("row.load_config()", names),
        f"{rows:,} bound secrets, change page": Measured("get()", names),
        f"{rows:,} bound secrets, save of the page": Measured("save()", names),
    }


def ask(send: Callable[..., Any], *args: Any, answer: HTTPStatus) -> None:
    """Ask for a page.

    :raises RuntimeError: unless that is the answer.
    """
    if (response := send(*args)).status_code != answer:
        message = f"{args[0]} answered {response.status_code}"
        raise RuntimeError(message)
