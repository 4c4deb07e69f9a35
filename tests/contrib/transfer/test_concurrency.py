"""Somebody else writes while an import runs: nobody waits for long, nobody's change is overwritten unseen."""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import OperationalError, connection

from django_plugin_system.changes import TABLE
from django_plugin_system.exceptions import StaleConfig
from django_plugin_system.models import PluginInstance, PluginItem
from tests.contrib.transfer.helpers import get, make_entry, run, write
from tests.support.plugins import VALID
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)
GRACE = 0.5
"""Seconds in which the other writer would be done, were it not made to wait."""


@contextmanager
def meanwhile(act: Callable[[], object], after: str = 'SELECT "django_plugin_system_plugininstance"') -> Iterator[None]:
    """Let another thread act just after the rows of instances were read, or what is said; it ends with the block."""
    started: list[threading.Thread] = []

    def do() -> None:
        try:
            act()
        finally:
            connection.close()

    def watch(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if not started and sql.startswith(after):
            started.append(threading.Thread(target=do))
            started[0].start()
            started[0].join(GRACE)
        return result

    with connection.execute_wrapper(watch):
        yield
    started[0].join()


def test_what_changed_meanwhile_is_looked_at_again(provider: PluginItem, folder: Path) -> None:
    """Nobody waits while an import is prepared; what is changed by then is not overwritten unseen."""
    row = add_instance("main", provider, priority=1)
    name = write(folder, make_entry(priority=2, config={**VALID, "account": "AC2"}))
    with meanwhile(lambda: PluginInstance.objects.filter(pk=row.pk).update(priority=3)):
        ran = run("pluginimport", name, "--existing", "update")
    assert "    priority: 3 -> 2" in ran.out.splitlines()
    assert (get().priority, get().config["account"]) == (2, "AC2")


def test_an_instance_that_was_made_meanwhile_is_looked_at_again(provider: PluginItem, folder: Path) -> None:
    """What was not there when the import was prepared is there now, and is refused like any other."""
    name = write(folder, make_entry("first", config=VALID), make_entry(config={**VALID, "account": "AC2"}))
    with meanwhile(lambda: add_instance("main", provider)):
        ran = run("pluginimport", name)
    assert "is there already and differs in config.account" in ran.problems[0]
    assert get().config["account"] == "AC1"


def test_who_is_never_fast_enough_gives_up(provider: PluginItem, folder: Path) -> None:
    """Where somebody changes the row again each time, the import ends, and has written nothing."""
    row = add_instance("main", provider)
    priorities = itertools.count(10)

    def change(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        if sql.startswith('SELECT "django_plugin_system_plugininstance"') and not connection.in_atomic_block:
            PluginInstance.objects.filter(pk=row.pk).update(priority=next(priorities))
        return result

    with connection.execute_wrapper(change):
        ran = run("pluginimport", write(folder, make_entry(priority=2)), "--existing", "update")
    assert ran.problems == ["all entries: somebody else keeps changing these instances: try again"]
    assert get().priority == next(priorities) - 1


@pytest.mark.postgres
@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_at_every_isolation_level(provider: PluginItem, folder: Path, level: str) -> None:
    """A row that changes once the transaction has begun is looked at again, also where its snapshot is older."""
    row = add_instance("main", provider, priority=1)
    name = write(folder, make_entry(priority=2, config={**VALID, "account": "AC2"}))
    with connection.cursor() as cursor:
        cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {level}")
    try:
        with meanwhile(lambda: PluginInstance.objects.filter(pk=row.pk).update(priority=3), f"INSERT INTO {TABLE}"):
            ran = run("pluginimport", name, "--existing", "update")
    finally:
        connection.close()
    assert "    priority: 3 -> 2" in ran.out.splitlines()
    assert (get().priority, get().config["account"]) == (2, "AC2")


@pytest.mark.postgres
def test_other_instances_do_not_wait(provider: PluginItem, folder: Path) -> None:
    """While an import holds the rows that it writes, everybody may write any other one, and read all of them."""
    add_instance("main", provider)
    other = add_instance("other", provider)
    seen: list[Any] = []

    def act() -> None:
        PluginInstance.objects.filter(pk=other.pk).update(priority=9)
        seen.extend(PluginInstance.objects.order_by("name").values_list("name", "priority"))

    name = write(folder, make_entry(priority=2, config={**VALID, "account": "AC2"}), make_entry("new", config=VALID))
    with meanwhile(act, 'INSERT INTO "django_plugin_system_plugininstance"'):
        assert not run("pluginimport", name, "--existing", "update").error
        assert seen == [("main", None), ("other", 9)]


def test_any_other_failure_of_the_database_ends_the_import(provider: PluginItem, folder: Path) -> None:
    """What trying again does not help is not tried again."""
    del provider

    def fail(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith('INSERT INTO "django_plugin_system_plugininstance"'):
            message = "disk full"
            raise OperationalError(message)
        return execute(sql, *args)

    with connection.execute_wrapper(fail), pytest.raises(OperationalError, match="disk full"):
        run("pluginimport", write(folder, make_entry(config=VALID)))
    assert not PluginInstance.objects.exists()


def test_a_form_that_was_open_notices_the_import(provider: PluginItem, folder: Path) -> None:
    """Whoever read a row before an import changed its config, and saves another config after it, is told."""
    row = add_instance("main", provider)
    opened = reload(row)
    run("pluginimport", write(folder, make_entry(config={**VALID, "account": "AC2"})), "--existing", "update")
    opened.set_config({**VALID, "account": "AC3"})
    with pytest.raises(StaleConfig):
        opened.save()
    assert get().config["account"] == "AC2"


def test_an_import_sees_what_was_written_just_before(provider: PluginItem, folder: Path) -> None:
    """A dry run that is out of date does no harm: the import looks again, and refuses what differs by then."""
    row = add_instance("main", provider)
    name = write(folder, make_entry(config=VALID, priority=None))
    assert run("pluginimport", name, "--dry-run").out.endswith("Unchanged: 1.\n")
    PluginInstance.objects.filter(pk=row.pk).update(priority=9)
    assert "differs in priority" in run("pluginimport", name).problems[0]
    assert get().priority == 9
