"""What the tests let the project do, in a process of its own. Arguments and results are JSON.

Everything here is code of 1.1.0 but for the last part, which only this version is asked for.
"""

from __future__ import annotations

import io
import uuid
from importlib import import_module
from typing import Any

import django
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from django_plugin_system.helpers import get_plugin_class, get_plugin_instance
from django_plugin_system.models import PluginItem, PluginStatus, PluginType
from django_plugin_system.register import load_plugin_item, load_plugin_type
from django_plugin_system.services import sync_registered_plugins_to_db
from tests.upgrades.shop.people.models import Person
from tests.upgrades.shop.sms.registration import APP

SMS = ("sms", APP)


def read_versions() -> list[str]:
    """Return the version of Django, and where the plugin system comes from."""
    return [django.get_version(), str(import_module("django_plugin_system").__file__)]


def manage(*command: str) -> str:
    """Run a management command and return what it writes."""
    out = io.StringIO()
    call_command(*command, stdout=out)
    return out.getvalue()


# What operators and users do


def fill() -> None:
    """Edit statuses and priorities, let people choose channels, keep rows whose code is gone."""
    PluginItem.objects.filter(name="console").update(priority=17, status="reserve")
    gateway = PluginItem.objects.get(name="gateway")
    gateway.status, gateway.priority = PluginStatus.DISABLED, -3
    gateway.save()
    gone = PluginItem.objects.create(
        name="gone", module="django.contrib.auth", plugin_type=PluginType.objects.get(name="sms"), priority=9
    )
    for name, favourite in (("Ada", gone), ("Bob", gateway)):
        person = Person.objects.create(name=name, favourite=favourite)
        person.channels.set(PluginItem.objects.exclude(name="letter"))
    User.objects.create_superuser("admin", password="admin")


def edit(name: str, **values: Any) -> None:
    """Change an item as code of 1.1.0 does: read the row, set attributes, save."""
    item = PluginItem.objects.get(name=name)
    for column, value in values.items():
        setattr(item, column, value)
    item.save()


def edit_columns(name: str, values: dict[str, Any]) -> None:
    """Change an item by ``update()``."""
    PluginItem.objects.filter(name=name).update(**values)


def delete(name: str) -> None:
    """Delete an item."""
    PluginItem.objects.get(name=name).delete()


# What is there


def read_rows() -> dict[str, Any]:
    """Return every row of 1.1.0's tables, and what hangs on them."""
    tables = {"types": PluginType.objects, "items": PluginItem.objects, "people": Person.objects}
    rows: dict[str, Any] = {name: list(objects.order_by("pk").values_list()) for name, objects in tables.items()}
    return rows | {"links": list(Person.channels.through._default_manager.order_by("pk").values_list())}


def call_everything() -> dict[str, Any]:
    """Return what each call of 1.1.0 gives."""
    sms = PluginType.objects.get(name="sms", manager=APP)
    otp = PluginType.objects.get(name="otp", manager="otp_manager")
    loaded_type, loaded_item = load_plugin_type(*SMS), load_plugin_item("console", APP, "sms")
    plugin_class = get_plugin_class(*SMS)
    return {
        "get_single_plugin": _name(sms.get_single_plugin()),
        "get_single_plugin with its own choice": [_name(otp.get_single_plugin()), _name(otp.get_single_plugin("x"))],
        "get_active_plugins": [item.name for item in sms.get_active_plugins()],
        "get_all_plugins": {status: [item.name for item in items] for status, items in sms.get_all_plugins().items()},
        "get_plugin_by_name": [_name(sms.get_plugin_by_name(name)) for name in ("letter", "console", "nobody")],
        "static methods": [
            _name(PluginItem.default_get_single_plugin(sms)),
            [item.name for item in PluginItem.get_available_plugins(sms)],
            sorted(PluginItem.get_all_plugins(sms)),
        ],
        "load_class": {item.name: _name(item.load_class()) for item in PluginItem.objects.order_by("name")},
        "get_plugin_instance": [get_plugin_instance(*SMS).send("hi"), get_plugin_instance("fax", APP)],
        "get_plugin_class": [plugin_class().send("hi"), get_plugin_class("sms", "nobody")],
        "load_plugin_type": [loaded_type["name"], loaded_type["manager"], _name(loaded_type["interface"])],
        "load_plugin_item": [loaded_item["priority"], loaded_item["description"], _name(loaded_item["plugin_class"])],
        "statuses": [[status.name, status.value] for status in PluginStatus],
        "use case 1": {str(person): tell(person) for person in Person.objects.order_by("name")},
    }


def _name(thing: Any) -> str | None:
    return None if thing is None else getattr(thing, "name", None) or thing.__name__


def tell(person: Person) -> list[str]:
    """Tell somebody by each channel they chose whose code is there; nobody's preferences ask for a status."""
    loaded = [item.load_class() for item in person.channels.order_by("name")]
    return [plugin_class().send("hi") for plugin_class in loaded if plugin_class is not None]


def fail_over() -> list[str]:
    """Run the second use case: the item that failed goes in reserve, and the next selection gives another one."""
    tried = []
    for status in (PluginStatus.RESERVED, PluginStatus.DISABLED):
        item = PluginType.objects.get(name="sms", manager=APP).get_single_plugin()
        assert item is not None
        tried.append(item.name)
        item.status = status
        item.save(update_fields=["status"])
    return tried


def choose() -> list[str | None]:
    """Return what the calls of 1.1.0 choose now: by the type's row, and by the helper."""
    plugin = get_plugin_instance(*SMS)
    return [_name(PluginType.objects.get(name="sms").get_single_plugin()), plugin.send("hi") if plugin else None]


def sync(mode: str = "create", prune: bool = True) -> dict[str, int]:  # noqa: FBT001, FBT002 - as JSON has it
    """Sync as code of 1.1.0 does; return the counts it knows."""
    result: Any = sync_registered_plugins_to_db(mode=mode, prune=prune)
    kinds = ("types_created", "types_found", "items_created", "items_found", "pruned_types", "pruned_items")
    return {kind: result[kind] for kind in kinds}


# The admin


def use_admin(name: str, priority: int) -> list[int]:
    """Open each page, then set a priority in the list of items, as operators do; return the statuses."""
    client = Client()
    client.force_login(User.objects.get())
    item = PluginItem.objects.get(name=name)
    rows = [f"plugintype/{item.plugin_type.pk}/change/", f"pluginitem/{item.pk}/change/"]
    folder = reverse("admin:app_list", args=["django_plugin_system"])
    statuses = [client.get(folder + page).status_code for page in ("", "plugintype/", "pluginitem/", *rows)]
    form = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": item.pk, "_save": "Save"}
    edited = {"form-0-status": item.status, "form-0-priority": priority}
    answer = client.post(f"{reverse('admin:django_plugin_system_pluginitem_changelist')}?q={name}", form | edited)
    return [*statuses, answer.status_code]


def disable_in_admin(name: str) -> int:
    """Run the action that disables an item; return the status."""
    client = Client()
    client.force_login(User.objects.get())
    chosen = {"action": "mark_disabled", "_selected_action": [PluginItem.objects.get(name=name).pk]}
    return client.post(reverse("admin:django_plugin_system_pluginitem_changelist"), chosen).status_code


# Of this version only


def add_instance(item: str, name: str, config: dict[str, Any]) -> str:
    """Configure an instance; return its id."""
    models: Any = import_module("django_plugin_system.models")
    row = models.PluginInstance.objects.create(item=PluginItem.objects.get(name=item), name=name, config=config)
    return str(uuid.UUID(str(row.pk)))


def explain() -> list[str]:
    """Return the instances of sms in order, each with the reason that keeps it from being used."""
    helpers: Any = import_module("django_plugin_system.helpers")
    return [str(candidate) for candidate in helpers.explain_selection(*SMS).candidates]


def select() -> str:
    """Send by the instance that is selected."""
    helpers: Any = import_module("django_plugin_system.helpers")
    return str(helpers.get_plugin(*SMS).send("hi"))


def refresh() -> None:
    """Let every process look again."""
    helpers: Any = import_module("django_plugin_system.helpers")
    helpers.refresh_plugins()
