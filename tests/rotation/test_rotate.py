"""What a rotation changes, and what it leaves as it is."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from pydantic import BaseModel, Secret, SecretBytes

from django_plugin_system import changes, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.rotation import RotationReport, rotate_secrets, verify_secrets
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.rotation.running import (
    NEW,
    NEW_ID,
    OLD,
    OLD_ID,
    TOKEN,
    find_key_ids,
    find_row_key_ids,
    pluginrotate,
    read_all,
)
from tests.support.plugins import SECRET, AbstractSms, declare_item
from tests.support.rows import add_instance, get_item, reload, write_raw, write_version

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


def test_every_secret_moves_to_the_first_key(rows: list[PluginInstance]) -> None:
    """After a rotation every token names the first key and opens to the same secret."""
    before = {row.pk: row.open_secrets() for row in rows}
    report = rotate_secrets()
    assert (report.rows, report.rewritten, report.failed, report.plain) == (5, 5, 0, 0)
    assert report.secrets == {OLD_ID: 15}
    assert find_key_ids() == {NEW_ID}
    assert {row.pk: reload(row).open_secrets() for row in rows} == before


def test_nothing_but_tokens_changes(rows: list[PluginInstance]) -> None:
    """All other columns, and the config around the tokens, stay as they are, byte by byte."""
    write_raw(rows[0].pk, config={"z": 1.10, "a": 10**30, **rows[0].config, "é": "\u2028"})
    columns = [field.attname for field in PluginInstance._meta.concrete_fields if field.name != "config"]
    others = list(PluginInstance.objects.order_by("pk").values(*columns))
    texts = {pk: TOKEN.sub("", text) for pk, text in read_all().items()}
    assert rotate_secrets().rewritten == 5
    assert {pk: TOKEN.sub("", text) for pk, text in read_all().items()} == texts
    assert list(PluginInstance.objects.order_by("pk").values(*columns)) == others


def test_old_keys_can_be_dropped_afterwards(rows: list[PluginInstance], settings: Settings) -> None:
    """With the new key alone, verification finds nothing wrong and plugins are built."""
    assert not pluginrotate().error
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    assert not pluginrotate("--verify").error
    assert get_plugin(AbstractSms, name=rows[0].name).send("hi") == f"hi by AC1 with {SECRET}"
    assert all(row.reason_unusable() is None for row in PluginInstance.objects.all())


@pytest.mark.parametrize("size", [1, 2, 5, 6])
@pytest.mark.usefixtures("rows")
def test_batches_cover_every_row_once(size: int) -> None:
    """Whatever the size of a batch, each row is written once, and the report grows batch by batch."""
    seen: list[tuple[int, int]] = []

    def look(report: RotationReport) -> None:
        seen.append((report.rows, report.rewritten))

    assert rotate_secrets(batch_size=size, on_batch=look).rewritten == 5
    assert seen == [(min(done, 5), min(done, 5)) for done in range(size, 5 + size, size)]
    assert verify_secrets(batch_size=size, on_batch=look).outdated == {}
    assert find_key_ids() == {NEW_ID}


@pytest.mark.usefixtures("rows")
def test_a_change_is_noted_only_with_a_write() -> None:
    """A rotation that writes is announced to other processes; one that finds nothing to do writes and says nothing."""
    first = changes.read("default")
    rotate_secrets()
    second, stored = changes.read("default"), read_all()
    report = rotate_secrets()
    verify_secrets()
    assert first != second == changes.read("default")
    assert (report.rows, report.rewritten, read_all()) == (5, 0, stored)


@pytest.mark.usefixtures("rows")
def test_a_dry_run_writes_nothing() -> None:
    """A dry run counts what a rotation would write, and leaves rows and changes alone."""
    token, stored = changes.read("default"), read_all()
    report = rotate_secrets(dry_run=True)
    assert (report.rows, report.rewritten, report.failed) == (5, 5, 0)
    assert (changes.read("default"), read_all()) == (token, stored)


def test_rows_need_no_code(rows: list[PluginInstance], declared: Registry) -> None:
    """A row is re-encrypted even if its class is gone, or its version is newer than the class."""
    write_version(rows[0], 9)
    assert rotate_secrets(dry_run=True).rewritten == 5
    declared.items.clear()
    report = rotate_secrets()
    assert (report.rewritten, report.failed) == (5, 0)
    assert find_key_ids() == {NEW_ID}
    assert reload(rows[0]).config_version == 9
    assert set(reload(rows[0]).open_secrets().values()) == {SECRET, f"{SECRET}-1", f"{SECRET}-2"}


class OddConfig(BaseModel):
    """Secrets that are no text, under keys that look alike."""

    raw: SecretBytes
    number: Secret[int]
    by_name: dict[str, SecretBytes]


class OddSms(ConfigurablePlugin[OddConfig], AbstractSms):
    """A provider with odd secrets."""

    def send(self, text: str) -> str:
        """Name the number."""
        return f"{text} by {self.config.number.get_secret_value()}"


@pytest.mark.usefixtures("provider")
def test_secrets_of_every_kind_survive(settings: Settings) -> None:
    """Raw bytes, numbers and secrets under any key come back as they were."""
    declare_item(OddSms, "odd")
    sync_registered_plugins_to_db()
    config = OddConfig.model_validate(
        {"raw": b"\xff\x00", "number": 7, "by_name": {"raw": b"", "a.b": b"x", "é": b"y" * 5000}}
    )
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD]}
    odd = add_instance("odd", get_item("odd"), config=config)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    assert rotate_secrets().secrets == {OLD_ID: 5}
    assert find_row_key_ids(odd.pk) == [NEW_ID] * 5
    assert reload(odd).load_config() == config
    assert reload(odd).load_plugin().send("hi") == "hi by 7"


def test_a_derived_key_is_left_behind(provider: PluginItem, settings: Settings) -> None:
    """Secrets of the key derived from SECRET_KEY move to a configured key, and to that of a new SECRET_KEY."""
    add_instance("main", provider)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 8
    assert not pluginrotate().error
    assert "may be removed from SECRET_KEY_FALLBACKS" in pluginrotate("--verify").out
    settings.SECRET_KEY_FALLBACKS = []
    out = io.StringIO()
    call_command("pluginkey", "--derived", stdout=out)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, *out.getvalue().split()]}
    assert not pluginrotate().error
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    assert not pluginrotate("--verify").error
    assert PluginInstance.objects.get().open_secrets() == {("token",): SECRET}


@pytest.mark.usefixtures("provider")
def test_an_empty_table_is_fine() -> None:
    """There may be nothing to rotate."""
    assert "Rows: 0. Secrets: 0." in pluginrotate().out
    assert not pluginrotate("--verify").error
