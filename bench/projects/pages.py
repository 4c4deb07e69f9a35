"""The admin's pages of many instances, and their export."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from functools import partial
from http import HTTPStatus
from pathlib import Path

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import path
from pydantic import BaseModel

from caller import Measured
from django_plugin_system import ConfigurablePlugin, plugin_item, plugin_type
from django_plugin_system.admin.instance_list import MOST_LISTED
from django_plugin_system.models import PluginInstance, PluginItem, PluginType

BATCH = 5_000
urlpatterns = [path("admin/", admin.site.urls)]


@plugin_type(name="sms", manager="bench")
class AbstractSms(ABC):
    """What is shown."""

    @abstractmethod
    def send(self) -> None:
        """Do nothing."""


class Config(BaseModel):
    """A configuration without a secret: it is quickly stored."""

    account: str
    endpoint: str = "https://api.example.com"


@plugin_item(AbstractSms, name="sms", module="bench")
class Sms(ConfigurablePlugin[Config], AbstractSms):
    """The class behind the rows."""

    def send(self) -> None:
        """Do nothing."""


def prepare(rows: int) -> dict[str, Measured]:
    """Store ``rows`` instances."""
    call_command("migrate", verbosity=0)
    item = PluginItem.objects.get()
    for start in range(0, rows, BATCH):
        numbers = range(start, min(start + BATCH, rows))
        PluginInstance.objects.bulk_create(
            PluginInstance(item=item, name=f"row-{number}", config={"account": f"AC{number}"}) for number in numbers
        )
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    instances = "/admin/django_plugin_system/plugininstance/"
    pages = {
        "list": instances,
        "last page": f"{instances}?p={min(rows, MOST_LISTED) // 100}",
        "search for one": f"{instances}?q=row-{rows - 1}",
        "filter by status": f"{instances}?status__exact=active",
        "filter by state": f"{instances}?state=attention",
        "type's page": f"/admin/django_plugin_system/plugintype/{PluginType.objects.get().pk}/change/",
        "item's delete page": f"/admin/django_plugin_system/pluginitem/{item.pk}/delete/",
    }
    measured = {name: Measured("get()", {"get": partial(get, client, url)}) for name, url in pages.items()}
    measured["export, a row"] = Measured("export()", {"export": export}, share=rows)
    return {f"{rows:,} instances, {name}": call for name, call in measured.items()}


def get(client: Client, url: str) -> None:
    """Open a page.

    :raises RuntimeError: if there is none.
    """
    if (response := client.get(url)).status_code != HTTPStatus.OK:
        message = f"{url} answered {response.status_code}"
        raise RuntimeError(message)


def export() -> None:
    """Write all instances into nothing."""
    with Path(os.devnull).open("w", encoding="utf-8") as nothing:
        call_command("pluginexport", stdout=nothing, stderr=nothing)
