"""A dump holds no plain secret; loaddata validates and encrypts, or loads nothing."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.core.serializers.base import DeserializationError
from django.db import transaction
from django.db.models import F

from django_plugin_system import get_plugin
from django_plugin_system.config.keyring import make_key
from django_plugin_system.exceptions import InvalidConfig, PluginNotRegistered, UnknownKey
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import SECRET, VALID, AbstractSms
from tests.support.rows import add_instance, assert_sealed, read_raw

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


def dump(folder: Path, form: str, *options: str) -> Path:
    """Write all rows of the package to a fixture."""
    written = io.StringIO()
    call_command("dumpdata", "django_plugin_system", *options, format=form, stdout=written)
    assert SECRET not in written.getvalue()
    path = folder / f"rows.{form}"
    path.write_text(written.getvalue())
    return path


def load(path: Path) -> None:
    """Load a fixture."""
    with transaction.atomic():
        call_command("loaddata", str(path), verbosity=0)


def write_fixture(folder: Path, item: PluginItem | list[str], **fields: Any) -> Path:
    """Write a fixture by hand with one instance; its item has an id, or a natural key."""
    row = {"model": "django_plugin_system.plugininstance", "pk": None}
    named = item if isinstance(item, list) else str(item.pk)
    fields = {"item": named, "name": "typed", "created_at": "2026-01-01T00:00:00Z", **fields}
    path = folder / "typed.json"
    path.write_text(json.dumps([{**row, "fields": {**fields, "updated_at": "2026-01-01T00:00:00Z"}}]))
    return path


@pytest.mark.parametrize("form", ["json", "xml", "jsonl"])
def test_a_dump_can_be_loaded(provider: PluginItem, tmp_path: Path, form: str) -> None:
    """Whatever the format, a dump holds tokens, and gives the same rows when it is loaded elsewhere."""
    row = add_instance(item=provider, priority=3)
    path = dump(tmp_path, form)
    PluginInstance.objects.all().delete()
    PluginItem.objects.all().delete()
    PluginType.objects.all().delete()
    load(path)
    assert_sealed(row)
    assert get_plugin(AbstractSms).send("hi") == f"hi by AC1 with {SECRET}"
    assert PluginInstance.objects.get().priority == 3


@pytest.mark.parametrize("form", ["json", "xml"])
@pytest.mark.parametrize("options", [(), ("--natural-foreign",), ("--natural-foreign", "--natural-primary")], ids=len)
@pytest.mark.usefixtures("all_kinds")
def test_a_dump_can_be_loaded_into_a_fresh_database(
    provider: PluginItem, tmp_path: Path, options: tuple[str, ...], form: str
) -> None:
    """What ``migrate`` made there has the ids that it has here, so its rows are those of the dump, and secrets open."""
    add_instance(item=provider)
    add_instance(item=provider, scope="acme")
    PluginInstance.objects.filter(item__name="console").update(priority=5)
    path = dump(tmp_path, form, *options)
    rows = PluginInstance.objects.order_by("pk").values_list("pk", "item", "name", "priority")
    before = list(rows)
    for model in (PluginInstance, PluginItem, PluginType):
        model.objects.all().delete()
    sync_registered_plugins_to_db()
    load(path)
    assert list(rows.all()) == before
    for scope in (None, "acme"):
        assert get_plugin(AbstractSms, name="main", scope=scope).send("hi") == f"hi by AC1 with {SECRET}"
    assert {row.scope for row in PluginInstance.objects.filter(health__scope=F("scope"))} == {"", "acme"}


def test_natural_keys_stand_for_types_and_items_that_have_other_ids(provider: PluginItem, tmp_path: Path) -> None:
    """A fixture written by hand names the item, as one of a project's own tables may; and an instance that is there."""
    key = [provider.name, provider.module, *provider.plugin_type.key]
    assert PluginItem.objects.get_by_natural_key(*key) == provider
    assert PluginType.objects.get_by_natural_key("sms", "apps.sms") == provider.plugin_type
    load(write_fixture(tmp_path, key, config=VALID))
    row = PluginInstance.objects.get()
    assert (row.item, row.natural_key()) == (provider, ("typed", "", *key))
    load(write_fixture(tmp_path, key, config=VALID, description="again"))
    assert PluginInstance.objects.get(description="again").pk == row.pk
    load(write_fixture(tmp_path, key, config=VALID, scope="acme"))
    scoped = PluginInstance.objects.get_by_natural_key("typed", "acme", *key)
    assert scoped.natural_key() == ("typed", "acme", *key)
    assert PluginInstance.objects.count() == 2


def test_a_typed_fixture_is_encrypted(provider: PluginItem, tmp_path: Path) -> None:
    """A fixture may hold plain secrets; the table does not. The next selection sees the row."""
    add_instance("worse", provider, priority=9)
    assert get_plugin(AbstractSms).plugin_instance.name == "worse"  # type: ignore[attr-defined]
    load(write_fixture(tmp_path, provider, config=VALID))
    assert_sealed(PluginInstance.objects.get(name="typed"))
    assert get_plugin(AbstractSms).plugin_instance.name == "typed"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "config", [{"account": "AC1"}, {**VALID, "extra": SECRET}, {**VALID, "retries": SECRET}, [SECRET]]
)
def test_an_invalid_fixture_loads_nothing(provider: PluginItem, tmp_path: Path, config: Any) -> None:
    """The command loaddata refuses an invalid config, and quotes no secret."""
    with pytest.raises((InvalidConfig, DeserializationError)) as refused:
        load(write_fixture(tmp_path, provider, config=config))
    assert SECRET not in str(refused.value)
    assert not PluginInstance.objects.exists()


def test_a_dump_of_another_key_is_refused(provider: PluginItem, tmp_path: Path, settings: Settings) -> None:
    """What cannot be opened here is not loaded, and what is there stays."""
    row = add_instance(item=provider)
    path, before = dump(tmp_path, "json"), read_raw(row.pk)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    with pytest.raises(UnknownKey):
        load(path)
    assert read_raw(row.pk) == before


def test_a_dump_without_the_code_is_refused(provider: PluginItem, tmp_path: Path, declared: Registry) -> None:
    """Where the class is not registered, nothing can judge the config."""
    add_instance(item=provider)
    path = dump(tmp_path, "json")
    declared.items.clear()
    with pytest.raises(PluginNotRegistered):
        load(path)
