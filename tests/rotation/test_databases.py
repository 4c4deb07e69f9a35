"""Several databases: each is rotated, verified and checked on its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from django_plugin_system.models import PluginInstance, PluginItem
from tests.rotation.running import NEW, NEW_ID, OLD, OLD_ID, TOKEN, pluginrotate
from tests.support.databases import new_database
from tests.support.plugins import VALID, ProviderSms, declare_item, declare_type
from tests.support.rows import read_raw

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import DjangoDbBlocker, Settings

HERE, THERE = "here", "there"


@pytest.fixture(autouse=True)
def databases(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path: Path, settings: Settings
) -> Iterator[None]:
    """Make two empty databases; a new key is the first one."""
    del django_db_setup
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    with django_db_blocker.unblock(), ExitStack() as stack:
        for alias in (HERE, THERE):
            stack.enter_context(new_database(tmp_path, alias))
        yield


def fill(alias: str, settings: Settings) -> PluginInstance:
    """Make the tables, and store one row with the old key's secret."""
    call_command("migrate", "django_plugin_system", database=alias, verbosity=0)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD]}
    row = PluginInstance(item=PluginItem.objects.using(alias).get(), name="main", config=VALID)
    row.save(using=alias)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    return row


def find_ids(row: PluginInstance, alias: str) -> Any:
    """Return the key id of each token in a row."""
    return TOKEN.findall(read_raw(row.pk, alias))


def test_one_database_is_rotated(settings: Settings) -> None:
    """--database names the database; the others stay as they are."""
    declare_type()
    declare_item(ProviderSms)
    here, there = fill(HERE, settings), fill(THERE, settings)
    assert "Rows: 1. Secrets: 1." in pluginrotate("--database", THERE).out
    assert (find_ids(here, HERE), find_ids(there, THERE)) == ([OLD_ID], [NEW_ID])
    assert not pluginrotate("--database", THERE, "--verify").error
    assert pluginrotate("--database", HERE, "--verify").error


class NothingHere:
    """A router that keeps the package's tables out of one database."""

    def allow_migrate(self, db: str, app_label: str, **_hints: Any) -> bool | None:
        """Refuse the package's tables ``HERE``."""
        return False if (db, app_label) == (HERE, "django_plugin_system") else None


def test_the_check_looks_at_the_databases_it_is_given(settings: Settings) -> None:
    """W004 names the database; one that is not migrated, or does not hold the tables, is passed over."""
    declare_type()
    declare_item(ProviderSms)
    fill(HERE, settings)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    found = run_checks(tags=["database"], databases=[HERE, THERE])
    assert [(message.id, str(message.msg)) for message in found] == [
        (
            "django_plugin_system.W004",
            f'1 plugin instances in database "here" need key {OLD_ID}, which is not configured.',
        )
    ]
    settings.DATABASE_ROUTERS = [NothingHere()]
    assert run_checks(tags=["database"], databases=[HERE, THERE]) == []
