"""A row that newer code stored is read-only on every way that writes a config, however hard one tries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from django_plugin_system.exceptions import ConfigWriteRefused, NewerConfigVersion
from django_plugin_system.models import PluginInstance, PluginStatus
from tests.support.plugins import SECRET, VALID, ProviderSmsV2, declare_item
from tests.support.rows import add_instance, read_raw, reload, write_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db

objects: Any = PluginInstance.objects


@pytest.fixture
def newer(provider: PluginItem) -> PluginInstance:
    """Return a row that newer code stored, in a form that today's schema would take."""
    row = add_instance(item=provider)
    write_version(row, 9, config={"region": "eu"})
    return reload(row)


def make_by_hand(row: PluginInstance) -> PluginInstance:
    """Return a new object with the id of ``row``."""
    values = {"created_at": row.created_at, "updated_at": row.updated_at}
    return PluginInstance(pk=row.pk, item=row.item, name=row.name, config=dict(VALID), **values)


def call_stored(row: PluginInstance) -> PluginInstance:
    """Return ``row``, which Django now takes for one that was read."""
    row._state.adding = False
    return row


def lower(row: PluginInstance, **values: Any) -> PluginInstance:
    """Return ``row`` as if it were of the version that the code knows."""
    for name, value in {"config_version": 1, **values}.items():
        setattr(row, name, value)
    return row


def load(row: PluginInstance, path: Path, **values: Any) -> None:
    """Load ``row`` from a fixture."""
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    fields = {"item": str(row.item_id), "name": row.name, "config": VALID, **times, **values}
    file = path / "row.json"
    data = [{"model": "django_plugin_system.plugininstance", "pk": str(row.pk), "fields": fields}]
    file.write_text(json.dumps(data))
    call_command("loaddata", file, verbosity=0)


REFUSED: dict[str, Callable[[PluginInstance, Path], Any]] = {
    "set_config": lambda row, _: row.set_config(VALID),
    "typed": lambda row, _: lower(row, config_version=9, config=dict(VALID)).save(),
    "lowered": lambda row, _: lower(row).save(),
    "lowered and typed": lambda row, _: lower(row, config=dict(VALID)).save(),
    "lowered and set": lambda row, _: lower(row).set_config(VALID),
    "only the version": lambda row, _: lower(row).save(update_fields=["config_version"]),
    "another manager": lambda row, _: lower(PluginInstance._base_manager.get(pk=row.pk)).save(),
    "config deferred": lambda row, _: lower(objects.only("name").get(pk=row.pk)).set_config(VALID),
    "version deferred": lambda row, _: lower(objects.defer("config_version").get(pk=row.pk)).save(),
    "update": lambda row, _: objects.filter(pk=row.pk).update(config_version=1),
    "update_or_create": lambda row, _: objects.update_or_create(pk=row.pk, defaults={"config": dict(VALID)}),
    "update_or_create, lowered": lambda row, _: objects.update_or_create(
        pk=row.pk, defaults={"config": dict(VALID), "config_version": 1}
    ),
    "bulk_update": lambda row, _: objects.bulk_update([lower(row, config=dict(VALID))], ["config"]),
    "bulk_update of the version": lambda row, _: objects.bulk_update([lower(row)], ["config_version"]),
    "bulk_update by hand": lambda row, _: objects.bulk_update([make_by_hand(row)], ["config"]),
    "by hand": lambda row, _: make_by_hand(row).save(force_update=True),
    "by hand, some fields": lambda row, _: make_by_hand(row).save(update_fields=["config"]),
    "by hand, said to be stored": lambda row, _: call_stored(make_by_hand(row)).save(),
    "insert": lambda row, _: make_by_hand(row).save(),
    "bulk_create": lambda row, _: objects.bulk_create([make_by_hand(row)]),
    "upsert": lambda row, _: objects.bulk_create(
        [make_by_hand(row)], update_conflicts=True, update_fields=["config"], unique_fields=["id"]
    ),
    "fixture": load,
    "fixture of this version": lambda row, path: load(row, path, config_version=1),
    "fixture of the newer version": lambda row, path: load(row, path, config_version=9),
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=list(REFUSED))
def test_a_newer_row_is_not_written(
    newer: PluginInstance, tmp_path: Path, attempt: Callable[[PluginInstance, Path], Any]
) -> None:
    """Each way is refused, and the row stays as the newer code wrote it, byte by byte."""
    before = read_raw(newer.pk)
    with pytest.raises((NewerConfigVersion, ConfigWriteRefused, IntegrityError)), transaction.atomic():
        attempt(newer, tmp_path)
    assert read_raw(newer.pk) == before
    assert reload(newer).config_version == 9


def test_a_version_without_its_config_is_not_written(newer: PluginInstance) -> None:
    """With the config deferred, a version that was set by hand is forgotten; what else was set is saved."""
    row = lower(objects.only("name").get(pk=newer.pk), name="renamed")
    row.save()
    assert (reload(newer).config_version, reload(newer).name) == (9, "renamed")


ALLOWED: dict[str, Callable[[PluginInstance], Any]] = {
    "save": lambda row: lower(row, config_version=9, status=PluginStatus.RESERVED, priority=7, name="n").save(),
    "some fields": lambda row: lower(row, status=PluginStatus.RESERVED, priority=7, name="n").save(
        update_fields=["status", "priority", "name"]
    ),
    "config deferred": lambda row: lower(
        objects.defer("config", "config_version").get(pk=row.pk),
        config_version=9,
        status="reserve",
        priority=7,
        name="n",
    ).save(),
    "update": lambda row: objects.filter(pk=row.pk).update(status="reserve", priority=7, name="n"),
    "bulk_update": lambda row: objects.bulk_update(
        [lower(row, status="reserve", priority=7, name="n")], ["status", "priority", "name"]
    ),
    "update_or_create": lambda row: objects.update_or_create(
        pk=row.pk, defaults={"status": "reserve", "priority": 7, "name": "n"}
    ),
}


@pytest.mark.parametrize("change", ALLOWED.values(), ids=list(ALLOWED))
def test_the_rest_of_a_newer_row_can_be_saved(newer: PluginInstance, change: Callable[[PluginInstance], Any]) -> None:
    """Operators may still switch it off, rename and rank it."""
    before = read_raw(newer.pk)
    change(newer)
    row = reload(newer)
    assert (row.status, row.priority, row.name, row.config_version) == ("reserve", 7, "n", 9)
    assert read_raw(newer.pk) == before


def test_a_fixture_of_an_older_version_is_brought_up_to_date(
    provider: PluginItem, declared: Registry, tmp_path: Path
) -> None:
    """What dumpdata wrote with older code is migrated step by step; it is not taken for today's form."""
    row = PluginInstance(pk=UUID(int=5), item=provider, name="main")
    declared.items.clear()
    declare_item(ProviderSmsV2)
    load(row, tmp_path, config={"account": "AC1", "token": SECRET}, config_version=1)
    loaded: Any = reload(row)
    assert (loaded.config_version, loaded.config["region"]) == (2, "eu")
    assert loaded.load_config().token.get_secret_value() == SECRET
    assert SECRET not in read_raw(row.pk)


def test_a_fixture_without_a_version_is_of_today(provider: PluginItem, declared: Registry, tmp_path: Path) -> None:
    """A fixture that a person wrote says what the model of today takes."""
    row = PluginInstance(pk=UUID(int=5), item=provider, name="main")
    declared.items.clear()
    declare_item(ProviderSmsV2)
    load(row, tmp_path, config={"account": "x", "token": SECRET, "region": "us"})
    assert (reload(row).config_version, reload(row).config["region"]) == (2, "us")


def test_a_row_whose_code_is_gone_is_not_written_by_hand(newer: PluginInstance, declared: Registry) -> None:
    """Without the class nobody knows which versions it knows; the config cannot be stored anyway."""
    declared.items.clear()
    with pytest.raises(LookupError):
        make_by_hand(newer).save(force_update=True)
