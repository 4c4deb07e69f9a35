"""Choosing an item among many."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_plugin_system.admin.adding import show_tile
from django_plugin_system.models import PluginItem, PluginType
from django_plugin_system.registry import Identity, ItemSpec, TypeSpec, registry
from tests.admin.helpers import url
from tests.admin.sample import AbstractSms, ConsoleSms, make_instance

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

    from django_plugin_system.models import PluginInstance


def get_items(page: Any) -> list[Any]:
    """Return the items that a page offers."""
    return [tile["item"] for tile in page.context["tiles"]]


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
    groups = {kind: list(found) for kind, found in groupby(get_items(response), lambda item: item.plugin_type.name)}
    assert list(groups) == ["sms", *(f"type-{number:02}" for number in range(10))]
    assert [len(found) for found in groups.values()] == [2, *[20] * 10]
    counts = {item.name: item.instance_count for item in get_items(response)}
    assert (counts["twilio"], counts["console"]) == (2, 0)


def test_search_finds_types_too(admin_client: Client, instance: PluginInstance) -> None:
    """The search looks at what a type is for, and narrows by every word."""
    del instance
    register_many(3, 3)
    response = admin_client.get(url("add"), {"q": "type-02 things thing"})
    found = [item.name for item in get_items(response)]
    assert found == ["item-02-00", "item-02-01", "item-02-02"]


def test_search_for_nul(admin_client: Client, instance: PluginInstance) -> None:
    """A NUL in the address, which PostgreSQL takes in no text, is no crash."""
    assert instance.item.name in admin_client.get(url("add"), {"q": "twil\0io"}).content.decode()


def add_known(kind: PluginType, name: str, **identity: str) -> PluginItem:
    """Register an item that people know, and return its row."""
    registry.add_item(ItemSpec(name, "apps.known", ConsoleSms, kind.key, identity=Identity(**identity)))
    return PluginItem.objects.create(plugin_type=kind, name=name, module="apps.known", description="")


def test_providers_have_an_identity(admin_client: Client, instance: PluginInstance, settings: Settings) -> None:
    """Label, picture, category and documentation stand in the gallery, and the documentation in the form."""
    kind = instance.item.plugin_type
    mailer = add_known(kind, "sms-77", label="Mailer", icon="known/mailer.svg", category="Abroad")
    docs = "https://docs.example/?a=1&b=<2>"
    add_known(kind, "sms-78", label="Ätna", icon="☎", docs_url=docs, category="Abroad")
    page = admin_client.get(url("add"))
    assert [item.label for item in get_items(page)] == ["console", "twilio", "Mailer", "Ätna"]
    text = page.content.decode()
    assert '<img src="/static/known/mailer.svg" alt="">' in text
    assert '<span class="dps-icon" aria-hidden="true">☎</span>' in text
    assert '<span class="dps-icon" aria-hidden="true">C</span>' in text
    assert text.count('<h3 class="dps-category">Abroad</h3>') == 1
    assert 'href="https://docs.example/?a=1&amp;b=&lt;2&gt;"' in text
    assert [item.name for item in get_items(admin_client.get(url("add"), {"q": "abroad ätna"}))] == ["sms-78"]
    form = admin_client.get(url("add"), {"item": str(get_items(admin_client.get(url("add"), {"q": "ätna"}))[0].pk)})
    assert 'href="https://docs.example/' in form.content.decode()
    assert "Ätna" in form.context["title"]
    manifest = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STATIC_ROOT = "unused"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": manifest}}
    tile = show_tile(mailer)
    assert (tile["picture"], tile["icon"]) == ("", "M")


def test_an_item_whose_code_is_gone_has_its_name(instance: PluginInstance) -> None:
    """There is nothing else to call it by."""
    gone = PluginItem.objects.create(plugin_type=instance.item.plugin_type, name="vanished", module="apps.vanished")
    assert (gone.label, gone.identity) == ("vanished", Identity())
