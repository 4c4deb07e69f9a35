"""A save that does not touch the configuration leaves it as it is stored, byte by byte, readable or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from django_plugin_system.config.keyring import make_key
from django_plugin_system.exceptions import (
    ConfigError,
    ConfigMigrationFailed,
    ConfigWriteRefused,
    NewerConfigVersion,
    PluginNotRegistered,
    StoredConfigInvalid,
    TamperedToken,
    UnknownKey,
)
from django_plugin_system.models import PluginInstance
from tests.support.plugins import VALID, ProviderSmsV2, declare_item
from tests.support.rows import add_instance, read_raw, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_django import Settings

    from django_plugin_system.models import PluginItem
    from django_plugin_system.registry import Registry

    Break = Callable[[PluginInstance, Registry, Settings], None]

pytestmark = pytest.mark.django_db

OTHER_KEY = make_key()


@pytest.fixture
def stored(provider: PluginItem) -> PluginInstance:
    """Return an instance as a reader finds it."""
    return reload(add_instance(item=provider))


def lose_the_key(_stored: PluginInstance, _registry: Registry, settings: Settings) -> None:
    """Configure another key than the one in use."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OTHER_KEY]}


def lose_the_class(_stored: PluginInstance, registry: Registry, _settings: Settings) -> None:
    """Remove the item's code."""
    registry.items.clear()


def come_from_the_future(stored: PluginInstance, _registry: Registry, _settings: Settings) -> None:
    """Let a newer version of the code have written the row."""
    write_raw(stored.pk, config_version=9)


def hold_a_moved_token(stored: PluginInstance, _registry: Registry, _settings: Settings) -> None:
    """Copy a token to another field."""
    write_raw(stored.pk, config={**stored.config, "spare": [stored.config["token"]]})


def no_longer_fit(stored: PluginInstance, _registry: Registry, _settings: Settings) -> None:
    """Store something that the schema does not take."""
    write_raw(stored.pk, config={**stored.config, "retries": "many"})


def fail_to_upgrade(stored: PluginInstance, registry: Registry, _settings: Settings) -> None:
    """Register newer code whose migration step needs a field that is not there."""
    registry.items.clear()
    declare_item(ProviderSmsV2)
    write_raw(stored.pk, config={"token": stored.config["token"]})


def change_nothing(_stored: PluginInstance, _registry: Registry, _settings: Settings) -> None:
    """Leave all as it is."""


BROKEN = [
    (lose_the_key, UnknownKey, "secret unreadable: token: encrypted with key"),
    (lose_the_class, PluginNotRegistered, "class not registered: is its app installed?"),
    (come_from_the_future, NewerConfigVersion, "stored by a newer version (9, this code knows 1)"),
    (hold_a_moved_token, TamperedToken, "secret unreadable: spare.0: the stored secret"),
    (no_longer_fit, StoredConfigInvalid, "config invalid: retries: Input should be a valid integer"),
    (fail_to_upgrade, ConfigMigrationFailed, "config invalid: ProviderSmsV2.migrate_config failed from version 1"),
]


@pytest.mark.parametrize("spoil", [change_nothing, *(spoil for spoil, _error, _reason in BROKEN)])
def test_other_columns_can_be_saved(
    stored: PluginInstance, declared: Registry, settings: Settings, spoil: Break
) -> None:
    """Status, priority, name and description are saved, whatever state the config is in; its bytes stay."""
    spoil(stored, declared, settings)
    before, row = read_raw(stored.pk), reload(stored)
    row.status, row.priority, row.name = "reserve", 7, "renamed"
    row.save()
    row.description = "for tests"
    row.save(update_fields=["description"])
    row.priority = 8
    PluginInstance.objects.bulk_update([row], ["priority"])
    PluginInstance.objects.filter(pk=row.pk).update(status="disable")
    again = reload(row)
    assert (again.status, again.priority, again.name, again.description) == ("disable", 8, "renamed", "for tests")
    assert read_raw(row.pk) == before


@pytest.mark.parametrize(("spoil", "error", "reason"), BROKEN)
def test_a_row_says_why_it_cannot_be_read(
    stored: PluginInstance,
    declared: Registry,
    settings: Settings,
    spoil: Break,
    error: type[ConfigError],
    reason: str,
) -> None:
    """Reading raises the error of the failure table; reason_unusable() says it in words."""
    assert stored.reason_unusable() is None
    spoil(stored, declared, settings)
    row = reload(stored)
    with pytest.raises(error):
        row.load_config()
    with pytest.raises(error):
        row.load_plugin()
    assert str(row.reason_unusable()).startswith(reason)


@pytest.mark.parametrize("spoil", [lose_the_class, come_from_the_future])
def test_a_row_that_code_cannot_judge_is_read_only(
    stored: PluginInstance, declared: Registry, settings: Settings, spoil: Break
) -> None:
    """Without the class, or with an older one, a changed config is refused and the stored one stays."""
    spoil(stored, declared, settings)
    before, row = read_raw(stored.pk), reload(stored)
    with pytest.raises((PluginNotRegistered, NewerConfigVersion)):
        row.set_config(VALID)
    row.config = VALID
    with pytest.raises((PluginNotRegistered, NewerConfigVersion)):
        row.save()
    assert read_raw(row.pk) == before


@pytest.mark.parametrize("spoil", [lose_the_key, hold_a_moved_token, no_longer_fit, fail_to_upgrade])
def test_a_broken_config_can_be_entered_again(
    stored: PluginInstance, declared: Registry, settings: Settings, spoil: Break
) -> None:
    """What cannot be read can be replaced as a whole."""
    spoil(stored, declared, settings)
    row = reload(stored)
    row.set_config({"account": "AC2", "token": "anew"} | ({"region": "us"} if spoil is fail_to_upgrade else {}))
    row.save()
    assert reload(row).open_secrets() == {("token",): "anew"}
    assert reload(row).reason_unusable() is None


def test_an_unreadable_secret_is_not_written_back(
    stored: PluginInstance, declared: Registry, settings: Settings
) -> None:
    """A change beside a secret that cannot be opened is refused; the token is neither lost nor copied."""
    lose_the_key(stored, declared, settings)
    before, row = read_raw(stored.pk), reload(stored)
    row.config["retries"] = 5
    with pytest.raises(UnknownKey, match=r"token: encrypted with key [0-9a-f]{8}, which is not configured"):
        row.save()
    assert read_raw(row.pk) == before


@pytest.mark.parametrize("config", [["x"], "x", None, 5], ids=["list", "text", "null", "number"])
def test_a_config_that_is_no_object_is_invalid(stored: PluginInstance, config: object) -> None:
    """What raw SQL may have put there is an invalid config like any other, and stays until it is entered again."""
    write_raw(stored.pk, config=config)
    row = reload(stored)
    assert str(row.reason_unusable()).startswith("config invalid: (root): ")
    row.status = "reserve"
    row.save(update_fields=["status"])
    before = read_raw(row.pk)
    row.save()
    assert read_raw(row.pk) == before
    with pytest.raises(ConfigWriteRefused), transaction.atomic():
        row.save(update_fields=["config"])
    row.set_config(VALID)
    row.save()
    assert reload(row).reason_unusable() is None


def test_a_save_upgrades_an_older_config(stored: PluginInstance, declared: Registry) -> None:
    """Newer code reads an older row step by step, and writes the new form at the next save."""
    declared.items.clear()
    declare_item(ProviderSmsV2)
    row = reload(stored)
    assert row.load_plugin().send("hi") == "hi by eu"
    assert row.config_version == 1
    row.save()
    assert (reload(row).config_version, reload(row).config["region"]) == (2, "eu")
    assert reload(row).open_secrets() == row.open_secrets()
