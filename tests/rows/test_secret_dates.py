"""When each secret was stored: noted on every path that stores one, kept as long as the secret is."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.core.management import call_command
from django.utils import timezone
from pydantic import BaseModel, SecretStr

from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.registry import temporary_registry
from django_plugin_system.rotation import rotate_secrets
from django_plugin_system.rows.config import get_dates, join_path
from tests.support.health import set_health
from tests.support.plugins import SECRET, VALID, ConsoleSms, ProviderSmsV2, declare_item, declare_type
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.models import PluginItem

KEYS = ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="]
TOKEN = '["token"]'
LONG_AGO = "2020-02-29T12:00:00+00:00"


def add_old(**values: Any) -> PluginInstance:
    """Store an instance whose every secret was stored long ago, and return it as another reader finds it."""
    row = add_instance(config={**VALID, **values})
    write_raw(row.pk, secret_dates=json.dumps(dict.fromkeys(row.secret_dates, LONG_AGO)))
    return reload(row)


def test_a_new_secret_has_the_date_of_now(provider: PluginItem) -> None:
    """Created, built by hand, or inserted in bulk: each secret has a date, a plain value has none."""
    before = timezone.now().replace(microsecond=0)
    built = PluginInstance(item=provider, name="built", config=VALID)
    built.save()
    (bulk,) = PluginInstance.objects.bulk_create([PluginInstance(item=provider, name="bulk", config=VALID)])
    for row in (add_instance(), built, bulk):
        (found,) = get_dates(reload(row)).items()
        assert found[0] == ("token",)
        assert before <= found[1] <= timezone.now()


@pytest.mark.parametrize("field", ["account", "retries"])
def test_a_kept_secret_keeps_its_date(provider: PluginItem, field: str) -> None:
    """Another field is changed, from plain text or through the model: the date of the secret stays."""
    del provider
    row = add_old()
    row.set_config({**VALID, field: {"account": "AC2", "retries": 5}[field]})
    row.save(update_fields=["config"])
    config: Any = reload(row).load_config()
    row.set_config(config)
    row.save()
    assert reload(row).secret_dates == {TOKEN: LONG_AGO}


def test_a_replaced_secret_has_a_new_date(provider: PluginItem) -> None:
    """The date follows the secret, in memory and in the database; setting the old one again before saving undoes it."""
    del provider
    row = add_old()
    row.set_config({**VALID, "token": "other"})
    assert row.secret_dates[TOKEN] > LONG_AGO
    row.set_config(VALID)
    assert row.secret_dates == {TOKEN: LONG_AGO}
    row.set_config({**VALID, "token": "other"})
    row.save(update_fields=["config"])
    assert reload(row).secret_dates[TOKEN] > LONG_AGO


def test_a_bulk_update_writes_the_dates(provider: PluginItem) -> None:
    """A config that is written in bulk takes its dates along."""
    del provider
    row = add_old()
    row.config = {**VALID, "token": "other"}
    PluginInstance.objects.bulk_update([row], ["config"])
    assert reload(row).secret_dates[TOKEN] > LONG_AGO


def test_dates_move_with_entries_of_a_list(provider: PluginItem) -> None:
    """Reordered entries keep their dates, a new one is new, and that of a cleared one is gone."""
    del provider
    row = add_old(spare=["a", "b"])
    dates = {'["spare","0"]': "2021-01-01T00:00:00+00:00", '["spare","1"]': "2022-01-01T00:00:00+00:00"}
    write_raw(row.pk, secret_dates=json.dumps(dates))
    row = reload(row)
    row.set_config({**VALID, "spare": ["b", "new", "a"]})
    row.save()
    moved = reload(row).secret_dates
    assert (moved['["spare","0"]'], moved['["spare","2"]']) == (dates['["spare","1"]'], dates['["spare","0"]'])
    assert moved['["spare","1"]'] > "2023"
    assert TOKEN not in moved  # it was stored before there were dates
    row.set_config({**VALID, "spare": ["a"]})
    row.save()
    assert reload(row).secret_dates == {'["spare","0"]': dates['["spare","0"]']}


def test_a_copy_of_a_secret_is_new(provider: PluginItem) -> None:
    """The same text beside one that stayed does not take over its date."""
    del provider
    row = add_old(spare=["a"])
    row.set_config({**VALID, "spare": ["a", "a", SECRET]})
    assert row.secret_dates['["spare","0"]'] == LONG_AGO
    assert min(row.secret_dates['["spare","1"]'], row.secret_dates['["spare","2"]']) > LONG_AGO


def test_rotation_keeps_dates_and_test_results(provider: PluginItem, settings: Any) -> None:
    """A new key is no new secret, however it comes to the row; the result of a test still holds."""
    del provider
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": KEYS[:1]}
    row = add_old()
    set_health(last_tested_at=timezone.now(), last_test_error="refused")
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": KEYS[::-1]}
    again = reload(row)
    again.set_config(VALID)
    again.save()
    assert again.config != row.config
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": KEYS}
    assert rotate_secrets().rewritten == 1
    found = reload(row)
    assert (found.secret_dates, found.last_test_error) == ({TOKEN: LONG_AGO}, "refused")


def test_an_unreadable_secret_keeps_its_date(provider: PluginItem, settings: Any) -> None:
    """Without the key the row can be renamed, and the date of what cannot be read stays; typed anew, it is new."""
    del provider
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": KEYS[:1]}
    row = add_old()
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": KEYS[1:]}
    row = reload(row)
    row.name = "renamed"
    row.save()
    assert reload(row).secret_dates == {TOKEN: LONG_AGO}
    row.set_config(VALID)
    row.save()
    assert reload(row).secret_dates[TOKEN] > LONG_AGO


class RenamedConfig(BaseModel):
    """What ``ProviderConfig`` became: its token has another name."""

    account: str
    credentials: dict[str, SecretStr]


class RenamedSms(ConfigurablePlugin[RenamedConfig], ConsoleSms):
    """``ProviderSms`` with that schema."""

    config_version: ClassVar[int] = 2

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Move the token."""
        assert from_version == 1
        return {"account": config["account"], "credentials": {"main": config["token"]}}


@pytest.mark.parametrize(
    ("newer", "key"), [(ProviderSmsV2, TOKEN), (RenamedSms, '["credentials","main"]')], ids=["same", "renamed"]
)
def test_an_upgrade_keeps_dates(provider: PluginItem, newer: type, key: str) -> None:
    """A config that is brought to a newer version keeps the date of its secret, also under another name."""
    del provider
    row = add_old()
    with temporary_registry(empty=True):
        declare_type()
        declare_item(newer)
        row.save()
        assert reload(row).secret_dates == {key: LONG_AGO}


def test_a_newer_config_comes_with_its_dates(provider: PluginItem) -> None:
    """A row that saves something else takes over what another process stored meanwhile, dates and test result too."""
    del provider
    row = add_old()
    other = reload(row)
    other.set_config({**VALID, "token": "other"})
    other.save()
    set_health(last_tested_at=timezone.now(), last_test_error="refused")
    row.description = "mine"
    row.save()
    found = reload(row)
    assert (found.description, found.secret_dates, found.last_test_error) == ("mine", other.secret_dates, "refused")


def test_a_changed_config_drops_the_result_of_its_test(provider: PluginItem) -> None:
    """What was tested is no longer what is stored; another status or an unchanged config leave the result."""
    del provider
    row = add_old()
    set_health(last_tested_at=timezone.now(), last_test_error="refused")
    row = reload(row)
    row.status = "reserve"
    row.set_config(VALID)
    row.save()
    assert reload(row).last_test_error == "refused"
    row.set_config({**VALID, "retries": 4})
    row.save(update_fields=["config"])
    found = reload(row)
    assert (found.last_tested_at, found.last_test_error) == (None, "")


def test_a_reload_brings_the_dates_back(provider: PluginItem) -> None:
    """Loading the stored config again undoes what an unsaved one had done to its dates."""
    del provider
    row = add_old()
    row.set_config({**VALID, "token": "other"})
    row.refresh_from_db(fields=["config"])
    assert row.secret_dates == {TOKEN: LONG_AGO}


def test_rows_that_were_loaded_in_part(provider: PluginItem) -> None:
    """A row without its dates, or without its config, finds them when it needs them."""
    del provider
    add_old()
    for row in (PluginInstance.objects.defer("secret_dates").get(), PluginInstance.objects.only("name", "item").get()):
        row.set_config({**VALID, "retries": 7})
        row.save()
        assert reload(row).secret_dates == {TOKEN: LONG_AGO}


def test_dates_are_dumped_and_loaded(provider: PluginItem, tmp_path: Path) -> None:
    """A fixture brings its dates along, but none for a secret that it holds in plain text or does not hold at all."""
    row = add_old()
    dumped = io.StringIO()
    call_command("dumpdata", "django_plugin_system.plugininstance", stdout=dumped)
    objects = json.loads(dumped.getvalue())
    reload(row).delete()
    fixture = tmp_path / "rows.json"
    fixture.write_text(json.dumps(objects))
    call_command("loaddata", str(fixture), verbosity=0)
    assert reload(row).secret_dates == {TOKEN: LONG_AGO}
    objects[0]["fields"] |= {"config": VALID, "secret_dates": {TOKEN: LONG_AGO, '["no such"]': LONG_AGO}}
    fixture.write_text(json.dumps(objects))
    call_command("loaddata", str(fixture), verbosity=0)
    found = reload(row)
    assert list(found.secret_dates) == [TOKEN]
    assert found.item == provider


@pytest.mark.parametrize("junk", [None, [], "x", {TOKEN: 1}, {TOKEN: "yesterday"}, {TOKEN: "2020-01-01T00:00:00"}])
def test_what_is_no_date_counts_as_none(provider: PluginItem, junk: Any) -> None:
    """Whatever somebody wrote into the column past the ORM, the row can be read and saved."""
    del provider
    row = add_old()
    row.secret_dates = junk
    assert get_dates(row) == {}
    row.loaded.values["secret_dates"] = junk
    row.set_config({**VALID, "retries": 9})
    row.save()
    assert get_dates(row) == {}


def test_keys_of_dates_are_unambiguous() -> None:
    """Two different paths have two different keys."""
    paths = [("a", "b"), ("a.b",), ("a,b",), ('a","b',), ("a", "", "b")]
    assert len({join_path(path) for path in paths}) == len(paths)
