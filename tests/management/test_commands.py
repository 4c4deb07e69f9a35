"""The management commands pluginsync and pluginkey."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from pydantic import BaseModel, SecretStr

from django_plugin_system.management.output import CLOSED_PIPE
from django_plugin_system.models import PluginItem, PluginType
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, ConsoleSms, ProviderSmsV2, declare_item, declare_type
from tests.support.rows import add_instance, write_raw

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


class Keyed(BaseModel):
    """Secrets under names that operators choose."""

    tokens: dict[str, SecretStr]


def run(*args: str) -> list[str]:
    """Run a command and return the lines it writes."""
    out = io.StringIO()
    call_command(*args, stdout=out)
    return out.getvalue().splitlines()


def test_pluginsync_says_what_it_did() -> None:
    """The command syncs in mode create, prunes, and counts."""
    declare_type()
    declare_item(ConsoleSms)
    PluginType.objects.create(name="gone", manager="apps.gone")
    assert run("pluginsync") == [
        "Plugins are in sync.",
        "- Types created: 1, found: 0, updated: 0",
        "- Items created: 1, found: 0, updated: 0",
        "- Default instances created: 1",
        "- Pruned types: 1, pruned items: 0",
    ]


def test_pluginsync_updates_on_request(provider: PluginItem, declared: Registry) -> None:
    """Mode upgrade writes configurations in their new form; update also refreshes what code declares."""
    row = add_instance("good", provider, priority=7)
    declared.items.clear()
    declare_item(ProviderSmsV2, priority=4)
    assert run("pluginsync", "--mode", "upgrade")[2:] == [
        "- Items created: 0, found: 1, updated: 0",
        "- Default instances created: 0",
        "- Configs upgraded: 1, failed: 0",
        "  Processes of older code skip them: run this after the last one has ended.",
        "- Pruned types: 0, pruned items: 0",
    ]
    provider.refresh_from_db()
    row.refresh_from_db()
    assert (provider.priority, row.priority, row.config_version) == (0, 7, 2)
    assert run("pluginsync", "--mode", "update")[2:] == [
        "- Items created: 0, found: 1, updated: 1",
        "- Default instances created: 0",
        "- Configs upgraded: 0, failed: 0",
        "- Pruned types: 0, pruned items: 0",
    ]
    with pytest.raises(CommandError, match="invalid choice"):
        run("pluginsync", "--mode", "other")


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=str)
def test_pluginsync_names_what_it_cannot_upgrade(
    provider: PluginItem, declared: Registry, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    """Each config that stays in its old form is named with the reason; the rest is done, and the command fails."""
    good = add_instance("good", provider)
    write_raw(add_instance("bad", provider).pk, config={})
    write_raw(add_instance("sealed", provider).pk, config={**good.config, "token": {"$secret": "dps1.x"}})
    declared.items.clear()
    declare_item(ProviderSmsV2)
    with pytest.raises(CommandError, match="Configs that stay in their old form: 2; see above"):
        call_command("pluginsync", "--mode", "update", *options)
    said = capsys.readouterr()
    assert "- Configs upgraded: 1, failed: 2" in said.out
    failure = "ProviderSmsV2.migrate_config failed from version 1 (KeyError): the row is unchanged."
    assert said.err.splitlines() == [
        f"- bad (provider): config invalid: {failure}",
        "- sealed (provider): secret unreadable: token: the stored secret is malformed. Enter the secret again.",
    ]
    good.refresh_from_db()
    assert good.config_version == (1 if options else 2)


def test_pluginsync_keeps_on_request() -> None:
    """With --no-prune nothing is deleted, and nothing is said about it."""
    PluginType.objects.create(name="gone", manager="apps.gone")
    assert not [line for line in run("pluginsync", "--no-prune") if "Pruned" in line]
    assert PluginType.objects.exists()


def test_pluginsync_only_tells_on_request() -> None:
    """With --dry-run the counts are those of a sync, and nothing is written."""
    declare_type()
    assert run("pluginsync", "--dry-run")[:2] == [
        "Nothing was written; a sync would do this:",
        "- Types created: 1, found: 0, updated: 0",
    ]
    assert not PluginType.objects.exists()


@pytest.mark.parametrize(
    "command", [("pluginrotate", "--verify"), ("pluginexport",), ("pluginsync", "--mode", "update")], ids=" ".join
)
def test_no_command_obeys_what_is_stored(
    declared: Registry, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """A name in a configuration, and what came of it, moves no cursor and begins no line on the terminal."""
    plugin_class = type("Keyed", (ConfigurablePlugin, AbstractSms), {"config_schema": Keyed, "send": str})
    declare_type()
    declare_item(plugin_class)
    sync_registered_plugins_to_db()
    bad = "a\x1b[2K\nEvery secret opens.\x9b\u202e"
    row = add_instance("main", config={"tokens": {bad: "long-secret-value"}})
    write_raw(row.pk, config={"tokens": {bad: {"$secret": f"dps1.{'0' * 8}.{'A' * 60}"}}})
    declared.items.clear()
    plugin_class.config_version = 2  # type: ignore[attr-defined]
    declare_item(plugin_class)
    with pytest.raises(CommandError):
        call_command(*command)
    said = "".join(capsys.readouterr())
    assert "a\\x1b[2K\\nEvery secret opens" in said
    assert not {*"\x1b\x9b\u202e"} & {*said}
    assert "\nEvery secret" not in said


@pytest.mark.usefixtures("django_db_setup")
@pytest.mark.parametrize("command", ["pluginkey", "plugins list", "plugins doctor --fail-on never"])
def test_nobody_reads_any_more(command: str) -> None:
    """A command whose reader has gone, as with ``| head``, ends without a word."""
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [sys.executable, "-m", "django", *command.split()], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert ran.returncode == CLOSED_PIPE
    assert ran.stderr == b""


def test_pluginkey_prints_a_usable_key(settings: Settings, provider: PluginItem) -> None:
    """The command writes one new key each time, and nothing else, fit for the setting."""
    row = add_instance(item=provider)
    lines = [run("pluginkey") for _ in range(2)]
    assert lines[0] != lines[1]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [key for printed in lines for key in printed]}
    assert add_instance("other", provider).reason_unusable() is None
    assert str(row.reason_unusable()).startswith("secret unreadable")


def test_pluginkey_prints_the_keys_in_use(settings: Settings, provider: PluginItem) -> None:
    """With --derived it writes those derived from SECRET_KEY, so that a project can move on to a key of its own."""
    row = add_instance(item=provider)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [*run("pluginkey"), *run("pluginkey", "--derived")]}
    assert row.reason_unusable() is None


def test_tables_of_2x_are_not_migrated() -> None:
    """E003 stops ``migrate`` at tables that 2.0.x made, before it touches them, and says what to read."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_plugin_system_pluginitem ADD COLUMN configurable boolean")
    with pytest.raises(SystemCheckError, match=r'E003\).* database "default" were made by 2.0.x(.|\n)*From 2.0.x'):
        call_command("migrate", "django_plugin_system", skip_checks=False)
