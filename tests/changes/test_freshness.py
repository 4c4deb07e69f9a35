"""What one process remembers of its selections: for how long, inside which transaction, under which settings."""

from __future__ import annotations

from contextvars import copy_context
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from django_plugin_system import changes, get_plugin, get_plugin_by_id, refresh_plugins
from django_plugin_system.changes import (
    changing,
    has_uncommitted_changes,
    is_changing,
)
from django_plugin_system.models import Change, PluginInstance
from django_plugin_system.registry import temporary_registry
from django_plugin_system.selection import cache
from django_plugin_system.selection.cache import Made, forget_selections, remember
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support import errands
from tests.support.errands import choose, rename
from tests.support.plugins import AbstractSms, FragileSms, ProviderSms, declare_item
from tests.support.rows import add_instance, write_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoAssertNumQueries, Settings

pytestmark = pytest.mark.django_db(transaction=True)

MAIN = "provider/main/AC1"


@pytest.fixture(autouse=True)
def row(transactional_db: None) -> Iterator[PluginInstance]:
    """Store an instance, and select it."""
    del transactional_db
    errands.declare()
    sync_registered_plugins_to_db()
    stored = add_instance("main")
    assert choose() == MAIN
    yield stored
    assert not is_changing("default")


def test_a_rolled_back_savepoint_is_forgotten() -> None:
    """Inside a transaction, selection follows each savepoint, whatever was selected in between."""
    with transaction.atomic():
        rename("main", "outer")
        assert choose() == "provider/outer/AC1"
        with transaction.atomic():
            rename("outer", "inner")
            assert choose() == "provider/inner/AC1"
            transaction.set_rollback(True)
        assert choose() == "provider/outer/AC1"
        with transaction.atomic():
            rename("outer", "kept")
        assert choose() == "provider/kept/AC1"
    assert choose() == "provider/kept/AC1"


def test_a_rolled_back_transaction_is_forgotten(settings: Settings) -> None:
    """Neither in strict mode nor with MAX_STALENESS does a rolled-back change outlive its transaction."""
    for staleness in (0, 3600):
        settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
        assert choose() == MAIN
        with transaction.atomic():
            rename("main", "lost")
            assert choose() == "provider/lost/AC1"
            assert choose() == "provider/lost/AC1"
            transaction.set_rollback(True)
        assert choose() == MAIN


def test_a_rollback_without_atomic_is_forgotten(settings: Settings) -> None:
    """Transactions that a project manages by hand are followed as well."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}
    transaction.set_autocommit(False)
    try:
        rename("main", "lost")
        assert choose() == "provider/lost/AC1"
        transaction.rollback()
        assert choose() == MAIN
        rename("main", "kept")
        refresh_plugins()
        transaction.commit()
        assert choose() == "provider/kept/AC1"
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)
    assert choose() == "provider/kept/AC1"


def test_a_failed_write_leaves_nothing_behind() -> None:
    """An error in the middle of a write undoes its change with the write."""
    before = changes.read("default")
    with pytest.raises(ZeroDivisionError), changing("default"):
        raise ZeroDivisionError
    assert changes.read("default") == before
    assert not has_uncommitted_changes("default")


def test_no_two_states_look_alike() -> None:
    """After each change, what a selection compares is what it never was before."""
    seen = set()
    for number in range(5):
        rename("main", "other") if number % 2 else rename("other", "main")
        seen.add(changes.read("default"))
    assert len(seen) == 5


def test_a_flushed_database_is_seen(row: PluginInstance) -> None:
    """After a flush, which takes the changes along, nothing old is used; the next write notes one again."""
    call_command("flush", interactive=False, verbosity=0, inhibit_post_migrate=True)
    assert changes.read("default") is None
    assert choose() is None
    sync_registered_plugins_to_db()
    assert changes.read("default") is not None
    add_instance("anew")
    assert choose() == "provider/anew/AC1"
    assert not PluginInstance.objects.filter(pk=row.pk).exists()


def test_without_a_change_nothing_is_remembered(
    row: PluginInstance, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """While there is no row to compare, as after a flush, each selection reads the rows; any writer adds one."""
    Change.objects.all().delete()
    for _again in range(2):
        with django_assert_num_queries(2):
            choose()
    row.save()
    for expected in (2, 1):
        with django_assert_num_queries(expected):
            choose()


def test_max_staleness_saves_the_query(settings: Settings, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Within MAX_STALENESS a selection asks nothing, unless this process changed something."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}
    choose()
    with django_assert_num_queries(0):
        assert choose() == MAIN
    rename("main", "renamed")
    assert choose() == "provider/renamed/AC1"
    with django_assert_num_queries(0):
        assert choose() == "provider/renamed/AC1"


def test_a_remembered_constructor_may_fail(settings: Settings) -> None:
    """Within MAX_STALENESS, too, a plugin that can no longer be built gives way to the next one."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}
    declare_item(FragileSms, "fragile", priority=-1)
    sync_registered_plugins_to_db()
    for fails, expected in ((False, FragileSms), (False, FragileSms), (True, ProviderSms)):
        FragileSms.fails = fails
        assert type(get_plugin(AbstractSms)) is expected


def test_max_staleness_ends(settings: Settings, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """After that time the changes are read again, and a result that still holds is good for as long again."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}
    choose()
    for entry in cache._entries.values():  # noqa: SLF001 - there is no other way to let time pass
        entry.fresh_until -= 3601
    with django_assert_num_queries(1):
        assert choose() == MAIN
    with django_assert_num_queries(0):
        assert choose() == MAIN


@pytest.mark.parametrize("staleness", [0, 3600])
def test_nothing_is_remembered_for_more_than_a_minute(row: PluginInstance, settings: Settings, staleness: int) -> None:
    """What notes no change, such as raw SQL, is seen when the result is a minute old at the latest."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    choose()
    write_raw(row.pk, name="raw")
    assert choose() == MAIN
    for entry in cache._entries.values():  # noqa: SLF001 - there is no other way to let time pass
        entry.expires, entry.fresh_until = entry.expires - 61, entry.fresh_until - 61
    assert choose() == "provider/raw/AC1"


def test_refresh_plugins_is_for_raw_sql(row: PluginInstance) -> None:
    """After it, each process looks again at its next selection."""
    write_raw(row.pk, name="raw")
    assert choose() == MAIN
    refresh_plugins()
    assert choose() == "provider/raw/AC1"
    write_raw(row.pk, name="again")
    forget_selections()
    assert choose() == "provider/again/AC1"


def test_a_registration_is_seen(row: PluginInstance) -> None:
    """Code that is registered or gone changes the next selection."""
    with temporary_registry():
        errands.declare()
        assert choose() == MAIN
    with temporary_registry() as registry:
        registry.items.clear()
        registry.generation += 1
        assert choose() is None
        declare_item(type("Better", (ProviderSms,), {}))
        assert type(get_plugin(AbstractSms)).__name__ == "Better"
    assert type(get_plugin_by_id(AbstractSms, row.pk)) is ProviderSms


def test_a_changed_key_is_seen(settings: Settings) -> None:
    """A test that overrides the keys, or SECRET_KEY, selects anew at once, and afterwards as before."""
    settings.SECRET_KEY = "another key, so that no secret can be read"
    assert choose() is None
    settings.SECRET_KEY_FALLBACKS = ["a key for tests only, long enough for Django's own check --deploy"]
    assert choose() == MAIN


def test_a_receiver_of_a_write_sees_it_and_nothing_of_it_stays(row: PluginInstance) -> None:
    """A selection in the middle of a write, as in a post_save handler, is not remembered."""
    with changing("default"):
        assert is_changing("default")
        assert choose() == MAIN
        write_raw(row.pk, name="meanwhile")
        assert choose() == "provider/meanwhile/AC1"
    assert choose() == "provider/meanwhile/AC1"


def test_a_write_notes_one_change(row: PluginInstance) -> None:
    """What a write does within, other writes among it, is noted once."""
    row.set_config({"account": "AC2", "token": "hush"})
    for write in (row.save, lambda: PluginInstance.objects.bulk_update([row], ["config"]), row.delete):
        with CaptureQueriesContext(connection) as queries:
            write()
        assert len([query for query in queries if f"INSERT INTO {changes.TABLE} " in query["sql"]]) == 1


def test_a_write_is_under_way_in_its_thread_only() -> None:
    """Another thread, although it was started from within a write, announces its own."""
    seen: list[bool] = []
    with changing("default"):
        context = copy_context()
        thread = Thread(target=context.run, args=[lambda: seen.append(is_changing("default"))])
        thread.start()
        thread.join()
    assert seen == [False]


def test_an_open_transaction_concerns_its_thread_only(settings: Settings) -> None:
    """Within MAX_STALENESS, a thread sees its own open changes at once, and the others see them when committed."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}
    chosen: list[str | None] = []

    def choose_elsewhere() -> None:
        chosen.append(choose())
        connection.close()

    def run_elsewhere() -> None:
        thread = Thread(target=choose_elsewhere)
        thread.start()
        thread.join()

    with transaction.atomic():
        rename("main", "renamed")
        assert choose() == "provider/renamed/AC1"
        run_elsewhere()
        assert choose() == "provider/renamed/AC1"
    run_elsewhere()
    assert chosen == [MAIN, "provider/renamed/AC1"]


def test_commits_are_counted() -> None:
    """Only what was committed counts, once for each transaction."""
    before = changes.commits
    with transaction.atomic():
        rename("main", "one")
        rename("one", "two")
        assert has_uncommitted_changes("default")
    assert changes.commits == before + 1
    with transaction.atomic():
        rename("two", "lost")
        transaction.set_rollback(True)
    assert changes.commits == before + 1


def test_a_commit_while_rows_are_read_is_not_missed(settings: Settings) -> None:
    """A result that another thread's commit overtook while it was made is checked again at the next call."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}

    def make() -> Made:
        before = choose()
        thread = Thread(target=in_thread)
        thread.start()
        thread.join()
        return Made(before)

    def in_thread() -> None:
        rename("main", "renamed")
        connection.close()

    assert remember("default", "slow", make) == MAIN
    assert remember("default", "slow", lambda: Made(choose())) == "provider/renamed/AC1"


def ask_in_turn(*keys: Any, rows: int | None = 1) -> int:
    """Ask for what is kept under ``keys``, and return how often it had to be made."""
    made: list[Any] = []

    def make() -> Made:
        made.append(1)
        return Made("value", rows=rows)

    for key in keys:
        remember("default", key, make)
    return len(made)


def test_the_memory_is_bounded(settings: Settings) -> None:
    """However many names are asked for, a setting bounds what is kept; the least recently used goes first."""
    settings.PLUGIN_SYSTEM = {"MAX_CACHED_INSTANCES": 100}
    assert ask_in_turn(*range(100)) == 100
    assert ask_in_turn(*range(100), *range(100)) == 0
    assert ask_in_turn(*range(100, 150)) == 50
    assert ask_in_turn(*range(100, 150), *range(50, 100)) == 0
    assert ask_in_turn(*range(50)) == 50


def test_by_default_there_is_room_for_thousands() -> None:
    """5,000 names in turn are each remembered."""
    assert ask_in_turn(*range(5_000)) == 5_000
    assert ask_in_turn(*range(5_000)) == 0


def test_lists_count_by_their_rows(settings: Settings) -> None:
    """Long lists make room for each other, and one that is longer than all the room is made each time."""
    settings.PLUGIN_SYSTEM = {"MAX_CACHED_INSTANCES": 100}
    assert ask_in_turn("a", "b", "c", rows=50) == 3
    assert ask_in_turn("b", "c") == 0
    assert ask_in_turn("a", rows=50) == 1
    assert ask_in_turn("too long", "too long", rows=101) == 2
    assert ask_in_turn("not kept", "not kept", rows=None) == 2
    assert ask_in_turn("a", "a", rows=20) == 0


def test_a_short_life_is_kept_short() -> None:
    """A value that holds for no time is made anew each time."""
    made: list[Any] = []

    def make() -> Made:
        made.append(1)
        return Made(len(made), lifetime=0)

    for _again in range(2):
        remember("default", "short", make)
    assert len(made) == 2
