"""What a failover leaves in a row: one write for each cooldown, no secret, signals, and nothing after a recovery."""

from __future__ import annotations

import base64
import datetime as dt
import logging
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_plugin_system import changes, failover, get_plugin, report_failure
from django_plugin_system.config.leaks import MAX_LENGTH
from django_plugin_system.models import PluginInstance
from django_plugin_system.selection.health import describe_error, record_failure, record_success
from django_plugin_system.signals import plugin_failed, plugin_recovered
from tests.support.health import set_health
from tests.support.plugins import SECRET, AbstractSms
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(provider: PluginItem) -> PluginInstance:
    """Return a healthy instance, twice read: as two callers hold it."""
    return reload(add_instance(item=provider))


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any]]]:
    """Return what the signals say; a receiver that fails disturbs nobody."""
    messages: list[tuple[str, Any]] = []

    def on_failure(instance: PluginInstance, error: BaseException, **_kwargs: Any) -> None:
        messages.append((f"failed {instance.name}", error))
        raise ZeroDivisionError

    def on_recovery(instance: PluginInstance, **_kwargs: Any) -> None:
        messages.append((f"recovered {instance.name}", None))

    plugin_failed.connect(on_failure)
    plugin_recovered.connect(on_recovery)
    yield messages
    plugin_failed.disconnect(on_failure)
    plugin_recovered.disconnect(on_recovery)


def fail(error: Exception, **options: Any) -> None:
    """Report that the instance failed, as it is stored now."""
    report_failure(PluginInstance.objects.get(), error, **options)


def count_writes(queries: CaptureQueriesContext) -> int:
    """Return how many statements changed a row of the instance table."""
    return sum(query["sql"].startswith('UPDATE "django_plugin_system_plugin') for query in queries)


@pytest.mark.parametrize("cooldown", [None, 10, 3600])
def test_a_failure_is_kept_in_the_row(row: PluginInstance, cooldown: float | None) -> None:
    """The row says until when it is set aside, a minute unless told otherwise, and why."""
    fail(OSError("no route"), **({} if cooldown is None else {"cooldown": cooldown}))
    failed = reload(row)
    assert failed.last_error == "OSError: no route"
    assert failed.unavailable_until is not None
    seconds = (failed.unavailable_until - timezone.now()).total_seconds()
    assert 0 < seconds <= (cooldown or 60)
    assert failed.updated_at == row.updated_at


def test_many_failures_are_one_write(row: PluginInstance, heard: list[tuple[str, Any]]) -> None:
    """However many callers see it fail, one writes, one logs, one signals; the cooldown is not drawn out."""
    callers = [reload(row) for _ in range(5)]
    with CaptureQueriesContext(connection) as queries:
        for caller in callers:
            record_failure(caller, OSError("down"), 60)
    until, token = reload(row).unavailable_until, changes.read("default")
    assert count_writes(queries) == 1
    fail(OSError("still down"))
    assert (reload(row).unavailable_until, reload(row).last_error) == (until, "OSError: down")
    assert changes.read("default") == token
    assert [text for text, _error in heard] == ["failed main"]


def test_after_a_cooldown_it_may_fail_anew(row: PluginInstance, heard: list[tuple[str, Any]]) -> None:
    """A failure after the end of the cooldown starts another one."""
    set_health(unavailable_until=timezone.now() - dt.timedelta(seconds=1))
    fail(OSError("again"))
    assert reload(row).unavailable_until > timezone.now()  # type: ignore[operator]
    assert [str(error) for _text, error in heard] == ["again"]


def test_a_success_clears_the_mark(row: PluginInstance, heard: list[tuple[str, Any]]) -> None:
    """The first success after a failure wipes cooldown and error and says so; the next ones write nothing."""
    fail(OSError("down"))
    for _again in range(3):
        with CaptureQueriesContext(connection) as queries:
            for attempt in failover(AbstractSms):
                with attempt:
                    pass
    assert count_writes(queries) == 0
    assert (reload(row).unavailable_until, reload(row).last_error) == (None, "")
    assert [text for text, _error in heard] == ["failed main", "recovered main"]
    record_success(PluginInstance(name="other", item=row.item))
    assert len(heard) == 2


def test_an_expired_cooldown_is_over(row: PluginInstance) -> None:
    """Once its time has come, a row is selected again without anybody writing."""
    set_health(unavailable_until=timezone.now() + dt.timedelta(milliseconds=30))
    other = add_instance("other", priority=9)
    seen = set()
    while row.name not in seen:
        seen.add(get_plugin(AbstractSms).plugin_instance.name)  # type: ignore[attr-defined]
    assert seen <= {"main", other.name}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(f"login with {SECRET} failed"), "OSError: the message quotes a secret"),
        (
            OSError(f"Basic {base64.b64encode(f'user:{SECRET}'.encode()).decode()}"),
            "OSError: the message quotes a secret",
        ),
        (OSError("x" * 900), "OSError: " + "x" * (MAX_LENGTH - 10) + "…"),
        (OSError("zero \x00 byte"), r"OSError: zero \x00 byte"),
        (OSError(), "OSError"),
    ],
    ids=["secret", "encoded secret", "long", "zero byte", "empty"],
)
def test_what_is_kept_is_fit_to_be_shown(
    row: PluginInstance, caplog: pytest.LogCaptureFixture, error: Exception, text: str
) -> None:
    """The stored and logged text holds no secret of the row, has a bounded length, and fits every database."""
    fail(error)
    kept = reload(row).last_error
    assert kept.startswith(text)
    assert len(kept) <= MAX_LENGTH
    assert SECRET not in kept + caplog.text


def test_with_an_unreadable_secret_only_the_kind_is_kept(row: PluginInstance) -> None:
    """What cannot be opened cannot be looked for in the text, so there is no text."""
    write_raw(row.pk, config={**row.config, "token": {"$secret": "x"}})
    assert describe_error(reload(row), OSError(SECRET)) == "OSError"


def test_a_broken_transaction_does_not_hide_the_error(row: PluginInstance, caplog: pytest.LogCaptureFixture) -> None:
    """Where the database takes no write, that is logged, and the failover goes on."""
    with transaction.atomic():
        transaction.set_rollback(True)
        record_failure(row, OSError("down"), 60)
        record_success(row)
    assert caplog.text.count("could not be noted yet") == 2
    assert reload(row).unavailable_until is None


def test_recoveries_are_logged(row: PluginInstance, caplog: pytest.LogCaptureFixture) -> None:
    """The log says when somebody fails and when they serve again."""
    with caplog.at_level(logging.INFO, "django_plugin_system"):
        fail(OSError("down"))
        record_success(reload(row))
    assert f"Plugin instance main (provider) ({row.pk}) failed: OSError: down" in caplog.text
    assert f"Plugin instance main (provider) ({row.pk}) serves again." in caplog.text


class Mute(OSError):
    """An error that cannot say what happened."""

    def __str__(self) -> str:
        raise ZeroDivisionError(SECRET)


def test_an_error_that_cannot_be_written_out_is_named(row: PluginInstance) -> None:
    """An exception whose text raises is kept by its type."""
    assert describe_error(row, Mute()) == "Mute"


def test_a_secret_that_is_still_stored_as_plain_text_is_not_kept(row: PluginInstance) -> None:
    """A secret from before its field was one counts, though nothing about it is encrypted."""
    write_raw(row.pk, config={**row.config, "token": f"plain-{SECRET}"})
    assert SECRET not in describe_error(reload(row), OSError(f"denied: plain-{SECRET}"))


def test_a_class_without_configuration_has_nothing_to_hide(all_kinds: dict[str, PluginItem]) -> None:
    """The text of an error of such a plugin is kept as it is."""
    row = PluginInstance.objects.get(item=all_kinds["console"])
    assert describe_error(row, OSError("no paper")) == "OSError: no paper"


def test_an_instance_that_is_not_saved_has_no_health() -> None:
    """It reads like one that never failed and was never tested, and asks no database."""
    row = PluginInstance(name="new")
    assert (row.unavailable_until, row.last_error, row.last_tested_at, row.last_test_error) == (None, "", None, "")
