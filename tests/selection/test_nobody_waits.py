"""What a failover writes waits for nobody, and nobody waits for it; it counts by the database's clock."""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import contextmanager, suppress
from threading import Event, Thread, get_ident
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from django_plugin_system import (
    AllPluginsFailed,
    NoPluginAvailable,
    PluginUnavailable,
    aget_plugin,
    changes,
    failover,
    get_plugin,
    get_plugins,
)
from django_plugin_system.models import PluginHealth, PluginInstance
from django_plugin_system.selection import notes
from django_plugin_system.selection.health import end_cooldown, record_failure, record_success, record_test
from django_plugin_system.selection.notes import _waiting, write_waiting
from django_plugin_system.signals import plugin_failed, plugin_recovered
from tests.support.elsewhere import run_elsewhere
from tests.support.health import set_health
from tests.support.plugins import AbstractSms, ProviderSms
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.dispatch import Signal
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def first(provider: PluginItem) -> PluginInstance:
    """Store two instances; return the better one."""
    add_instance("second", provider, priority=2)
    return reload(add_instance("first", provider, priority=1))


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Return which signals were sent."""
    said: list[str] = []

    def on_signal(signal: Signal, **_kwargs: Any) -> None:
        said.append("failed" if signal is plugin_failed else "recovered")

    for signal in (plugin_failed, plugin_recovered):
        signal.connect(on_signal)
    yield said
    for signal in (plugin_failed, plugin_recovered):
        signal.disconnect(on_signal)


def choose() -> str:
    """Return the name of the instance that is used."""
    plugin: Any = get_plugin(AbstractSms)
    return str(plugin.plugin_instance.name)


def fail_all(**options: Any) -> list[str]:
    """Let each attempt fail; return who was tried."""
    tried = []
    with suppress(AllPluginsFailed):
        for attempt in failover(AbstractSms, **options):
            with attempt:
                tried.append(attempt.instance.name)
                raise PluginUnavailable
    return tried


def elsewhere(act: Callable[[], object]) -> None:
    """Do something in another thread, through another connection, and wait for its end."""
    thread = Thread(target=run_elsewhere, args=[act])
    thread.start()
    thread.join()


def test_nothing_is_locked_in_the_callers_transaction(first: PluginInstance) -> None:
    """While a transaction with failures and successes goes on, others write to all the same rows."""
    set_health([first], last_error="old")
    with transaction.atomic():
        record_success(reload(first))
        assert fail_all() == ["first", "second"]
        elsewhere(lambda: PluginHealth.objects.update(last_test_error="theirs"))
        elsewhere(lambda: PluginInstance.objects.get(name="second").delete())
    assert PluginInstance.objects.get() == first
    assert (reload(first).health.last_test_error, reload(first).health.failures) == ("theirs", 1)


@contextmanager
def locked() -> Iterator[None]:
    """Let another thread hold, in a transaction, what notes have to write to."""
    holds, may_end = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            PluginHealth.objects.update(last_test_error="theirs")
            holds.set()
            may_end.wait(20)

    thread = Thread(target=run_elsewhere, args=[hold])
    thread.start()
    holds.wait(20)
    try:
        yield
    finally:
        may_end.set()
        thread.join()


def test_a_lock_is_not_waited_for(first: PluginInstance, heard: list[str]) -> None:
    """Who locks a row is noting the same. SQLite's one lock says nothing of a row, so there it is tried again."""
    is_sqlite = connection.vendor == "sqlite"
    with locked():
        record_failure(first, OSError("down"), 60)
        record_failure(first, OSError("down"), 60)
        assert choose() == ("second" if is_sqlite else "first")
        write_waiting()
        assert heard == []
    assert bool(_waiting) == is_sqlite
    write_waiting()
    assert not _waiting
    assert heard == ["failed"] * is_sqlite
    assert reload(first).last_error == "OSError: down" * is_sqlite


@contextmanager
def read_only() -> Iterator[None]:
    """Let the database refuse every write of this connection."""
    if connection.vendor == "sqlite":
        on, off = "PRAGMA query_only = 1", "PRAGMA query_only = 0"
    else:
        on, off = (f"SET default_transaction_read_only = {state}" for state in ("on", "off"))
    with connection.cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(off)


def test_a_read_only_database(first: PluginInstance, heard: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """A line in the log says so, without a traceback; the process goes by what it knows until it can be written."""
    with read_only():
        assert fail_all() == ["first", "second"]
        assert fail_all() == ["first"]
        record_success(reload(first))
        assert choose() == "first"
        write_waiting()
    lines = [record for record in caplog.records if "could not be noted yet" in record.getMessage()]
    assert {(record.levelno, record.exc_info) for record in lines} == {(logging.WARNING, None)}
    assert len(lines) == 2
    write_waiting()
    assert (len(_waiting), heard, choose()) == (0, ["failed"], "first")


def test_what_waits_is_bounded(first: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that can never write does not remember ever more; a cooldown that is over is not begun."""
    monkeypatch.setattr(notes, "MAX_WAITING", 1)
    with transaction.atomic():
        assert fail_all(cooldown=0.05) == ["first", "second"]
        assert [note.pk for note in _waiting.values()] != [first.pk]
        set_health([first], last_error="old")
    assert len(_waiting) == 0


def test_the_one_that_is_back_first_is_tried(first: PluginInstance) -> None:
    """Of what only this process knows to be cooling down, too; an operator may end that."""
    add_instance("third", first.item, priority=3)
    set_health(PluginInstance.objects.filter(name="third"), unavailable_until=timezone.now() + dt.timedelta(hours=1))
    with transaction.atomic():
        record_failure(reload(first), OSError("down"), 7200)
        assert fail_all(cooldown=600) == ["second"]
        assert fail_all() == ["second"]
        with pytest.raises(NoPluginAvailable, match=r"first.*cooling down until 20.*\n.*second.*cooling down until 20"):
            choose()
        assert get_plugins(AbstractSms) == []
        end_cooldown(first)
        assert choose() == "first"
        transaction.set_rollback(True)


def test_a_test_in_a_transaction_is_noted_after_it(first: PluginInstance) -> None:
    """The result of a connection test waits as well, and selection does not go by it."""
    with transaction.atomic():
        record_test(first, "refused")
        assert choose() == "first"
        assert reload(first).last_tested_at is None
    assert (reload(first).last_test_error, choose()) == ("refused", "first")


def test_another_schema_gets_no_notes(first: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection is switched to another schema, what waits for the first one waits on, and does not count."""
    monkeypatch.setattr(changes, "_without_schemas", set())
    monkeypatch.setattr(connection, "schema_name", "one", raising=False)
    with transaction.atomic():
        record_failure(first, OSError("down"), 60)
        assert choose() == "second"
        connection.schema_name = "two"  # type: ignore[attr-defined]
        assert choose() == "first"
    assert len(_waiting) == 1
    connection.schema_name = "one"  # type: ignore[attr-defined]
    write_waiting()
    assert (len(_waiting), choose()) == (0, "second")


@pytest.mark.parametrize("hours", [-2, 2])
def test_times_are_those_of_the_database(first: PluginInstance, hours: int) -> None:
    """On a host whose clock is wrong, a cooldown begins and ends as everywhere."""
    now = timezone.now() + dt.timedelta(hours=hours)
    with mock.patch.object(timezone, "now", return_value=now):
        record_failure(first, OSError("down"), 60)
        assert choose() == "second"
        cooling = PluginHealth.objects.filter(unavailable_until__gt=Now())
        assert cooling.filter(unavailable_until__lt=Now() + dt.timedelta(seconds=61)).count() == 1
        cooling.update(unavailable_until=Now())
        assert choose() == "first"


def test_no_hour_comes_twice(first: PluginInstance, settings: Settings) -> None:
    """Without time zones, in the hour that comes twice in autumn, cooldowns are told from each other all the same."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    connection.close()
    moments = [dt.datetime(2026, 10, 25, 2, 30, fold=fold) for fold in (0, 1)]  # noqa: DTZ001 - that is the point
    for moment in moments:
        set_health([first], unavailable_until=moment)
        assert reload(first).unavailable_until == moment
        assert reload(first).health.unavailable_until.fold == moment.fold or connection.vendor == "postgresql"
    if connection.vendor == "sqlite":  # PostgreSQL is given local times by Django
        assert PluginHealth.objects.filter(unavailable_until__gt=moments[0]).exists()
    set_health([first], unavailable_until=None)
    record_failure(first, OSError("down"), 60)
    assert choose() == "second"
    until = reload(first).unavailable_until
    assert until is not None
    assert dt.timedelta() < until - dt.datetime.now() < dt.timedelta(seconds=61)  # noqa: DTZ005 - as above
    connection.close()


def test_a_plugin_without_another_thread(first: PluginInstance, settings: Settings) -> None:
    """Where the database need not be asked, asynchronous code gets its plugin in its own thread."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": 3600}
    threads = []

    def watch(self: Any, config: Any) -> None:
        threads.append(get_ident())
        if len(threads) == 3:
            raise OSError
        super(ProviderSms, self).__init__(config)

    async def ask() -> list[int]:
        for _call in range(4):
            await aget_plugin(AbstractSms)
        return [get_ident()]

    with mock.patch.object(ProviderSms, "__init__", watch):
        (mine,) = async_to_sync(ask)()
    assert [ident == mine for ident in threads] == [False, True, True, False, True]
    del first


def test_nothing_at_all_is_usable(first: PluginInstance) -> None:
    """Where no instance is there, or none is enabled, a failover has nothing to try."""
    PluginInstance.objects.update(status="disable")
    with pytest.raises(NoPluginAvailable, match="disabled"):
        next(iter(failover(AbstractSms)))
    with pytest.raises(NoPluginAvailable):
        next(iter(failover(AbstractSms, name="none")))
    del first
