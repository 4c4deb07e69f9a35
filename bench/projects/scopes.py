"""Many tenants, each with an instance of its own: what it takes to ask for one, and to look at them all."""

from __future__ import annotations

from functools import partial

from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from pages import BATCH, AbstractSms, get, urlpatterns

from caller import Measured
from django_plugin_system import explain_selection, failover, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.selection import forget_selections

__all__ = ["prepare", "urlpatterns"]

MOST = 500
"""So many are asked for in turn."""


def prepare(rows: int) -> dict[str, Measured]:
    """Store ``rows`` instances, each of a scope of its own, and one that is everybody's."""
    call_command("migrate", verbosity=0)
    item = PluginItem.objects.get()
    PluginInstance.objects.create(item=item, name="main", config={"account": "AC"})
    for start in range(0, rows, BATCH):
        numbers = range(start, min(start + BATCH, rows))
        PluginInstance.objects.bulk_create(
            PluginInstance(item=item, name="main", scope=f"tenant-{number}", config={"account": f"AC{number}"})
            for number in numbers
        )
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    instances = "/admin/django_plugin_system/plugininstance/"
    some = min(rows, MOST)
    asked = "AbstractSms, scope='tenant-7'"
    names = {"get": get_plugin, "explain": explain_selection, "AbstractSms": AbstractSms, "forget": forget_selections}
    pages = {
        "list": instances,
        "filter by whose": f"{instances}?whose=own",
        "overview": reverse("admin:django_plugin_system_overview"),
    }
    measured = {
        "strict": Measured(f"get({asked})", names),
        "first call": Measured(f"forget(); get({asked}, name='main')", names),
        "first call, no name": Measured(f"forget(); get({asked})", names),
        "some in turn": Measured("ask()", {"ask": partial(ask, some)}, share=some),
        "explanation": Measured(f"explain({asked})", names),
        "failover": Measured("serve()", {"serve": serve}),
        **{name: Measured("open()", {"open": partial(get, client, url)}) for name, url in pages.items()},
    }
    return {f"{rows:,} scopes, {name}": call for name, call in measured.items()}


def ask(count: int) -> None:
    """Ask for so many scopes."""
    for number in range(count):
        get_plugin(AbstractSms, scope=f"tenant-{number}")


def serve() -> None:
    """Let the first attempt serve."""
    for attempt in failover(AbstractSms, scope="tenant-7"):
        with attempt:
            pass
