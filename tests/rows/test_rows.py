"""What a row object does beside saving: copying, deferring, pickling, reloading, moving to another item."""

from __future__ import annotations

import copy
import pickle
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system import refresh_plugins
from django_plugin_system.exceptions import InvalidConfig, TamperedToken
from django_plugin_system.models import Change, PluginHealth, PluginInstance, PluginType
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.health import set_health
from tests.support.plugins import SECRET, VALID, LenientSms, ProviderConfig, ProviderSms, declare_item
from tests.support.rows import add_instance, assert_sealed, get_item, read_raw, reload

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(provider: PluginItem) -> PluginInstance:
    """Return an instance as a reader finds it."""
    return reload(add_instance(item=provider))


def test_a_secret_does_not_follow_a_row_to_another_id(row: PluginInstance) -> None:
    """Django's way to copy a row is refused while there are secrets in it: the tokens belong to the old id."""
    row.pk = None
    row._state.adding = True
    row.name = "copy"
    with pytest.raises(TamperedToken):
        row.save()
    assert PluginInstance.objects.count() == 1


def test_a_row_is_copied_by_its_model(row: PluginInstance) -> None:
    """set_config(load_config()) encrypts the secrets for another row."""
    twin = PluginInstance(item=row.item, name="copy")
    config = row.load_config()
    assert config is not None
    twin.set_config(config)
    twin.save()
    assert_sealed(twin)
    assert reload(twin).config["token"] != row.config["token"]


@pytest.mark.parametrize("by_set_config", [False, True])
def test_an_id_may_come_late(provider: PluginItem, *, by_set_config: bool) -> None:
    """A row made with the id None gets one before anything is encrypted for it."""
    row = PluginInstance(pk=None, item=provider, name="late", config=VALID)
    if by_set_config:
        row.set_config(VALID)
    row.save()
    assert_sealed(row)


@pytest.mark.parametrize("form", ["{0}", "{0.hex}", "urn:uuid:{0}"])
def test_an_id_may_be_written_in_any_form(provider: PluginItem, form: str) -> None:
    """Tokens are bound to the id itself, not to how it was typed."""
    pk = uuid.uuid4()
    PluginInstance.objects.create(
        pk=form.format(pk).upper().replace("URN:UUID", "urn:uuid"), item=provider, name="x", config=VALID
    )
    assert_sealed(PluginInstance.objects.get(pk=pk))


@pytest.mark.parametrize("fields", [["config"], ["config", "config_version"], ["config", "item"]])
def test_a_deferred_config_is_not_written(row: PluginInstance, fields: list[str]) -> None:
    """A row read without its config saves everything else."""
    before = read_raw(row.pk)
    part = PluginInstance.objects.defer(*fields).get()
    part.status = "reserve"
    part.save()
    assert (reload(row).status, read_raw(row.pk)) == ("reserve", before)


@pytest.mark.parametrize("by_set_config", [False, True])
def test_a_deferred_config_can_be_set(row: PluginInstance, *, by_set_config: bool) -> None:
    """A row read without its config takes a new one."""
    part = PluginInstance.objects.only("name").get()
    if by_set_config:
        part.set_config({**VALID, "token": "new"})
    else:
        part.config = {**VALID, "token": "new"}
    part.save()
    assert_sealed(row, "new")


def test_a_deferred_config_is_loaded_with_its_version(row: PluginInstance) -> None:
    """A config that is loaded later comes with the version that it was stored with."""
    part = PluginInstance.objects.defer("config").get()
    assert part.load_config() == row.load_config()


def test_an_unchanged_partial_row_keeps_its_bytes(row: PluginInstance) -> None:
    """A row read with its config only saves nothing anew."""
    before = read_raw(row.pk)
    PluginInstance.objects.only("config").get().save()
    assert read_raw(row.pk) == before


def test_pickles_hold_no_plain_secret(row: PluginInstance) -> None:
    """A row and a queryset pickle with tokens only, even after a plugin was built; they can be used afterwards."""
    row.load_plugin()
    for thing in (row, PluginInstance.objects.all(), row.item):
        pickled = pickle.dumps(thing)
        assert SECRET.encode() not in pickled
    again: PluginInstance = pickle.loads(pickle.dumps(row))  # noqa: S301 - our own
    again.status = "reserve"
    again.save()
    assert_sealed(again)
    (from_queryset,) = pickle.loads(pickle.dumps(PluginInstance.objects.all()))  # noqa: S301 - our own
    from_queryset.set_config({**VALID, "token": "new"})
    from_queryset.save()
    assert_sealed(row, "new")


def test_a_row_with_a_typed_config_copies_and_does_not_pickle(row: PluginInstance) -> None:
    """What is not encrypted yet does not get into a pickle; a copy has it, and its own."""
    typed = {**VALID, "spare": ["typed"]}
    row.config = typed
    for unsaved in (row, PluginInstance(item=row.item, name="new", config=typed)):
        with pytest.raises(TypeError, match="not encrypted yet"):
            pickle.dumps(unsaved)
        shallow, deep = copy.copy(unsaved), copy.deepcopy(unsaved)
        assert shallow.config is unsaved.config
        assert deep.config == typed
        deep.config["spare"].append("more")
        assert unsaved.config == {**VALID, "spare": ["typed"]}
        unsaved.save()
        assert SECRET.encode() not in pickle.dumps(unsaved)
    assert pickle.dumps(PluginInstance(item=row.item, name="empty"))


def test_no_text_of_a_row_shows_a_secret(row: PluginInstance) -> None:
    """str, repr and the row's attributes show tokens only."""
    row.load_config()
    row.set_config({**VALID, "retries": 4})
    assert SECRET not in f"{row} {row!r} {vars(row)} {copy.deepcopy(row).__dict__}"
    assert str(row) == "main (provider)"
    assert str(PluginInstance(name="loose")) == "loose"


def test_an_unchanged_secret_keeps_its_token(row: PluginInstance) -> None:
    """set_config() with the same secret changes the other fields only."""
    token = row.config["token"]
    row.set_config({**VALID, "retries": 4})
    assert (row.config["token"], row.config["retries"]) == (token, 4)
    row.set_config({**row.config, "retries": 5})
    assert (row.config["token"], row.config["retries"]) == (token, 5)


def test_a_reload_drops_what_was_typed(row: PluginInstance) -> None:
    """refresh_from_db() brings back the stored config, as one that needs no encryption."""
    before = read_raw(row.pk)
    row.config = {"typed": SECRET}
    row.refresh_from_db(fields=["status"])
    assert row.config == {"typed": SECRET}
    row.refresh_from_db(fields=["config"])
    row.save()
    row.config = {"typed": SECRET}
    row.refresh_from_db()
    row.save()
    assert read_raw(row.pk) == before


def test_another_item_validates_anew(row: PluginInstance) -> None:
    """A row that moves to another item must fit that item's schema, by each way to save it."""
    declare_item(ProviderSms, "twin")
    declare_item(LenientSms, "lenient")
    sync_registered_plugins_to_db()
    moved = reload(row)
    moved.item = get_item("lenient")
    for refused in (moved.save, lambda: moved.save(update_fields=["item"]), lambda: bulk_move(moved)):
        with pytest.raises(InvalidConfig, match="no such field"):
            refused()
    assert reload(row).item == row.item
    moved.item = get_item("twin")
    bulk_move(moved)
    assert reload(row).load_config() == ProviderConfig(accountName="AC1", token=SECRET)  # type: ignore[arg-type]
    moved.set_config({**VALID, "token": "twin"})
    moved.save(update_fields=["item_id"])
    assert_sealed(row, "twin")


def bulk_move(row: PluginInstance) -> Any:
    """Write the item of ``row`` with bulk_update()."""
    return PluginInstance.objects.bulk_update([row], ["item"])


def test_effective_values(row: PluginInstance) -> None:
    """An empty priority is the item's; the tier is the worse of row and item."""
    row.item.priority, row.item.status = 7, "reserve"
    assert (row.effective_priority, row.effective_tier) == (7, "reserve")
    row.priority, row.status = 0, "disable"
    assert (row.effective_priority, row.effective_tier) == (0, "disable")


def test_rows_name_themselves(row: PluginInstance, provider: PluginItem) -> None:
    """str() of a type and an item names who owns it; of a change, its number."""
    assert str(provider) == "provider (apps.items)"
    assert str(PluginType.objects.get()) == "sms (apps.sms)"
    assert provider.plugin_type.is_registered
    assert not PluginType(name="other", manager="apps.sms").is_registered
    assert provider.config_schema is ProviderConfig
    change = Change.objects.all()[0]
    assert str(change) == str(change.nonce)
    del row


def test_every_instance_has_a_row_of_health(row: PluginInstance, provider: PluginItem) -> None:
    """However it is made; what raw SQL made gets it by refresh_plugins(), and by a sync."""
    made = PluginInstance(item=provider, name="bulk", config=VALID)
    PluginInstance.objects.bulk_create([made, PluginInstance(item=provider, name="more", config=VALID)])
    again = PluginInstance(pk=made.pk, item=provider, name="bulk", config=VALID)
    other = PluginInstance(item=provider, name="other", config=VALID)
    PluginInstance.objects.bulk_create([again, other], ignore_conflicts=True)
    expected = set(PluginInstance.objects.values_list("pk", "item"))
    assert len(expected) == 4
    for heal in (lambda: None, refresh_plugins, sync_registered_plugins_to_db):
        heal()
        assert set(PluginHealth.objects.values_list("pk", "item")) == expected
        PluginHealth.objects.filter(pk=row.pk).delete()
        assert reload(row).unavailable_until is None


@pytest.mark.parametrize("in_bulk", [False, True])
def test_health_follows_an_instance_to_another_item(all_kinds: dict[str, PluginItem], *, in_bulk: bool) -> None:
    """It is found by its item, so it names the one that the instance has now; what it says stays."""
    row = PluginInstance.objects.get(item=all_kinds["lenient"])
    set_health([row], last_error="old")
    row.item, row.name = all_kinds["fragile"], "moved"
    if in_bulk:
        PluginInstance.objects.bulk_update([row], ["item", "name"])
    else:
        row.save()
    health = PluginHealth.objects.get(pk=row.pk)
    assert (health.item, health.last_error, str(health)) == (all_kinds["fragile"], "old", "moved")


def test_a_save_leaves_health_alone(row: PluginInstance) -> None:
    """A row that was read before a failure does not wipe it, nor does a health row that says nothing new."""
    stale = reload(row)
    assert stale.last_error == ""
    set_health([row], last_error="timed out")
    stale.description = "mine"
    stale.save()
    assert (reload(row).last_error, reload(row).description) == ("timed out", "mine")
