"""Choosing an item among many."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_plugin_system.models import PluginItem, PluginType
from django_plugin_system.registry import ItemSpec, TypeSpec, registry
from tests.admin.helpers import url
from tests.admin.sample import AbstractSms, ConsoleSms, make_instance

if TYPE_CHECKING:
    from django.test import Client

    from django_plugin_system.models import PluginInstance


def register_many(types: int, items: int) -> None:
    """Register types with items each, as a project of many apps has them."""
    for number in range(types):
        name, text = f"type-{number:02}", f"Things of kind {number}."
        registry.add_type(TypeSpec(name, "apps.many", AbstractSms, text))
        row = PluginType.objects.create(name=name, manager="apps.many", description=text)
        for position in range(items):
            item, text = f"item-{number:02}-{position:02}", f"Does thing {position}."
            registry.add_item(ItemSpec(item, "apps.many", ConsoleSms, (name, "apps.many")))
            PluginItem.objects.create(plugin_type=row, name=item, module="apps.many", description=text)


def test_200_items(admin_client: Client, instance: PluginInstance) -> None:
    """Many items are listed by type, in as many queries as few; each says how many instances it has."""
    make_instance(instance.item, "second")
    admin_client.get(url("add"))
    with CaptureQueriesContext(connection) as few:
        admin_client.get(url("add"))
    register_many(10, 20)
    with CaptureQueriesContext(connection) as many:
        response = admin_client.get(url("add"))
    assert len(many) == len(few)
    groups = {
        kind: list(found) for kind, found in groupby(response.context["items"], lambda item: item.plugin_type.name)
    }
    assert list(groups) == ["sms", *(f"type-{number:02}" for number in range(10))]
    assert [len(found) for found in groups.values()] == [2, *[20] * 10]
    counts = {item.name: item.instance_count for item in response.context["items"]}
    assert (counts["twilio"], counts["console"]) == (2, 0)


def test_search_finds_types_too(admin_client: Client, instance: PluginInstance) -> None:
    """The search looks at what a type is for, and narrows by every word."""
    del instance
    register_many(3, 3)
    response = admin_client.get(url("add"), {"q": "type-02 things thing"})
    found = [item.name for item in response.context["items"]]
    assert found == ["item-02-00", "item-02-01", "item-02-02"]


def test_search_for_nul(admin_client: Client, instance: PluginInstance) -> None:
    """A NUL in the address, which PostgreSQL takes in no text, is no crash."""
    assert instance.item.name in admin_client.get(url("add"), {"q": "twil\0io"}).content.decode()
