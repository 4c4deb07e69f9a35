"""The circuit breaker: what counts against an instance, for how long, and who may try it again."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import InternalError, OperationalError, connection, transaction
from django.utils import timezone

from django_plugin_system import (
    AllPluginsFailed,
    NoPluginAvailable,
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
    areport_failure,
    areport_success,
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugins,
    report_failure,
    report_success,
)
from django_plugin_system.models import PluginHealth, PluginInstance
from django_plugin_system.plugin import _rows
from django_plugin_system.selection.health import _claims, claim, end_cooldown
from django_plugin_system.sync import sync_registered_plugins_to_db
from django_plugin_system.testing import override_plugin
from tests.support.health import set_health
from tests.support.plugins import VALID, AbstractSms, ConsoleSms, declare_item, declare_type
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def a(provider: PluginItem) -> PluginInstance:
    """Store two instances, "a" before "b"; return the first."""
    add_instance("b", provider, priority=2)
    return add_instance("a", provider, priority=1)


def run(errors: Mapping[str, BaseException], **options: Any) -> list[str]:
    """Let the named instances raise, all others serve; return who was tried, in order."""
    tried = []
    with suppress(AllPluginsFailed, NoPluginAvailable):
        for attempt in failover(AbstractSms, **options):
            with attempt:
                tried.append(attempt.instance.name)
                for error in filter(None, [errors.get(attempt.instance.name)]):
                    raise error
    return tried


def run_async(errors: Mapping[str, BaseException], **options: Any) -> list[str]:
    """Do the same in asynchronous code."""

    async def attempts() -> list[str]:
        tried = []
        with suppress(AllPluginsFailed, NoPluginAvailable):
            async for attempt in failover(AbstractSms, **options):
                async with attempt:
                    tried.append(attempt.instance.name)
                    for error in filter(None, [errors.get(attempt.instance.name)]):
                        raise error
        return tried

    return async_to_sync(attempts)()


both_ways = pytest.mark.parametrize("run", [run, run_async], ids=["sync", "async"])


def left(row: PluginInstance) -> float | None:
    """Return for how many seconds an instance is cooling down still."""
    until = reload(row).unavailable_until
    return None if until is None else (until - timezone.now()).total_seconds()


def end(*rows: PluginInstance) -> None:
    """Let cooldowns and claims be over, as time does."""
    _claims.clear()
    set_health(rows, unavailable_until=timezone.now() - HOUR, claimed_until=timezone.now() - HOUR)


def choose() -> str:
    """Return which instance is used."""
    plugin: Any = get_plugin(AbstractSms)
    return str(plugin.plugin_instance.name)


# What counts


@both_ways
def test_a_request_that_fails_everywhere_counts_against_nobody(a: PluginInstance, run: Any) -> None:
    """One malformed request makes no provider unavailable."""
    poison = KeyError("number")
    assert run({"a": poison, "b": poison}) == ["a", "b"]
    assert run({}) == ["a"]
    assert reload(a).last_error == ""


@both_ways
def test_who_fails_where_another_one_serves_is_to_blame(a: PluginInstance, run: Any) -> None:
    """The same error counts once another instance has served the same request."""
    assert run({"a": OSError("down")}) == ["a", "b"]
    assert run({}) == ["b"]
    assert (reload(a).last_error, reload(a).health.failures) == ("OSError: down", 1)


@both_ways
def test_what_the_plugin_says_counts_at_once(a: PluginInstance, run: Any) -> None:
    """PluginUnavailable needs no other instance to serve; so it is inside of a group, and before another error."""
    wrapped = OSError("lost")
    wrapped.__cause__ = PluginUnavailable("down", retry_after=500)
    assert run({"a": PluginUnavailable("down"), "b": wrapped}) == ["a", "b"]
    other = PluginInstance.objects.get(name="b")
    assert 0 < left(a) <= 60 < left(other) <= 500  # type: ignore[operator]


def test_who_is_claimed_between_two_looks_is_passed_over(a: PluginInstance) -> None:
    """Another caller may be faster; the next one in order is tried then."""
    run({"a": PluginUnavailable(), "b": PluginUnavailable()})

    def claim_first(execute: Any, sql: str, *args: Any) -> Any:
        found = execute(sql, *args)
        if '"claimed_until" IS NULL' in sql:
            PluginHealth.objects.filter(instance=a).update(claimed_until=timezone.now() + HOUR)
        return found

    with connection.execute_wrapper(claim_first):
        assert run({}) == ["b"]


@both_ways
@pytest.mark.parametrize("error", [PluginRejected(), PluginOutcomeUnknown(), KeyboardInterrupt()])
def test_a_last_word_leaves_open_who_is_to_blame(a: PluginInstance, run: Any, error: BaseException) -> None:
    """A failure before it counts against nobody, as nobody has served."""
    with pytest.raises(type(error)):
        run({"a": OSError("odd"), "b": error})
    assert (left(a), run({})) == (None, ["a"])


# How long


def test_each_failure_in_a_row_doubles_the_cooldown(a: PluginInstance, settings: Settings) -> None:
    """Up to the cap; a success lets it start again. A caller's own cooldown is never cut short by the cap."""
    settings.PLUGIN_SYSTEM = {"MAX_COOLDOWN": 400}
    for seconds in (100, 200, 400, 400):
        assert run({"a": PluginUnavailable()}, cooldown=100) == ["a", "b"]
        assert seconds - 10 < left(a) <= seconds  # type: ignore[operator]
        end(a)
    assert run({}) == ["a"]
    assert left(a) is None
    run({"a": PluginUnavailable()}, cooldown=100)
    assert 90 < left(a) <= 100  # type: ignore[operator]
    end(a)
    run({"a": PluginUnavailable()}, cooldown=900)
    assert 890 < left(a) <= 900  # type: ignore[operator]


@pytest.mark.parametrize(
    ("retry_after", "low", "high"),
    [(7, 0, 7), (7000, 6990, 7000), (-5, -10, 0), ("soon", 50, 60), (math.inf, 50, 60), (math.nan, 50, 60)],
)
def test_the_provider_says_for_how_long(a: PluginInstance, retry_after: Any, low: float, high: float) -> None:
    """``retry_after`` is neither doubled nor cut short; what is no number of seconds does not count."""
    set_health([a], failures=0 if high == 60 else 3)
    assert run({"a": PluginUnavailable("429", retry_after)}) == ["a", "b"]
    assert low <= left(a) <= high  # type: ignore[operator]


def test_nobody_comes_back_before_the_providers_time(a: PluginInstance) -> None:
    """Not even where there is nobody else to try; the error says until when."""
    PluginInstance.objects.exclude(pk=a.pk).delete()
    assert run({"a": PluginUnavailable("429", retry_after=7)}) == ["a"]
    assert run({}) == []
    with pytest.raises(NoPluginAvailable, match=r"a \(provider\): cooling down until 20"):
        next(iter(failover(AbstractSms)))
    end(a)
    assert run({}) == ["a"]


# Refused credentials


@both_ways
def test_refused_credentials_are_not_tried_again(a: PluginInstance, run: Any) -> None:
    """Not until the configuration changes; a new description is no new configuration."""
    refused = PluginCredentialsRefused("401")
    assert run({"a": refused, "b": refused}) == ["a", "b"]
    row = reload(a)
    row.description = "to be looked at"
    row.save()
    assert run({}) == []
    assert get_plugins(AbstractSms) == []
    with pytest.raises(NoPluginAvailable, match=r"a .provider.: needs attention: the provider refused its credentials"):
        get_plugin(AbstractSms)
    assert row.is_refused
    assert "(PluginCredentialsRefused: 401)" in str(explain_selection(AbstractSms))
    row.set_config({**VALID, "token": "a new one"})
    row.save()
    assert (reload(a).is_refused, choose(), run({})) == (False, "a", ["a"])
    assert reload(a).last_error == ""


def test_an_operator_may_say_that_credentials_are_good_again(a: PluginInstance) -> None:
    """As they are: where they were put right at the provider's, or stand in the environment."""
    assert run({"a": PluginCredentialsRefused("401")}) == ["a", "b"]
    assert choose() == "b"
    end_cooldown(reload(a))
    assert (choose(), run({})) == ("a", ["a"])


def test_an_ordinary_failure_does_not_end_the_wait_for_new_credentials(a: PluginInstance) -> None:
    """Who was on the way while they were refused, and fails otherwise, changes nothing."""
    late = reload(a)
    report_failure(a, PluginCredentialsRefused("401"))
    report_failure(late, PluginUnavailable("timed out"))
    assert reload(a).is_refused


def test_many_with_refused_credentials(
    a: PluginInstance, provider: PluginItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many instances, those that got a new configuration are found again."""
    assert run({"a": PluginCredentialsRefused("401"), "b": PluginUnavailable()}) == ["a", "b"]
    for number in range(3):
        add_instance(f"c{number}", provider, priority=9)
    for few in (100, 0):
        monkeypatch.setattr("django_plugin_system.selection.search.FEW", few)
        assert choose() == "c0"
    PluginInstance.objects.filter(name__startswith="c").delete()
    row = reload(a)
    row.set_config({**VALID, "token": "a new one"})
    row.save()
    set_health([row], item=provider)
    PluginInstance.objects.filter(name="b").update(priority=0)
    assert choose() == "a"
    assert run({}, name="a") == ["a"]


# Who may try again


def test_one_caller_probes(a: PluginInstance) -> None:
    """After the cooldown the first caller tries the instance, and all others pass it over until that has ended."""
    run({"a": PluginUnavailable()})
    end(a)
    probe = next(iter(failover(AbstractSms)))
    assert probe.instance == a
    assert (run({}), choose()) == (["b"], "b")
    with suppress(PluginUnavailable), probe:
        assert (run({}), choose()) == (["b"], "b")
    assert (run({}), choose()) == (["a"], "a")


@pytest.mark.parametrize("in_transaction", [True, False])
def test_who_has_served_meanwhile_needs_no_claim(a: PluginInstance, *, in_transaction: bool) -> None:
    """A caller that has looked before the first success goes on, and leaves nothing behind."""
    run({"a": PluginUnavailable()})
    end(a)
    late = reload(a)
    assert run({}) == ["a"]
    with transaction.atomic() if in_transaction else nullcontext():
        assert claim(late, 60)
    assert reload(a).health.claimed_until is None
    assert run({}) == ["a"]


def test_a_claim_runs_out(a: PluginInstance) -> None:
    """Of a prober that died nothing is heard: another one probes after a while."""
    PluginInstance.objects.exclude(pk=a.pk).delete()
    run({"a": PluginUnavailable()})
    end(a)
    next(iter(failover(AbstractSms, cooldown=600)))
    assert run({}) == []
    assert 590 < left(a) <= 600  # type: ignore[operator]
    end(a)
    assert run({}) == ["a"]


def test_one_caller_may_try_early(a: PluginInstance) -> None:
    """Where all are cooling down, each is tried once before its end, and after that not for as long as a cooldown."""
    down = {"a": PluginUnavailable("down"), "b": PluginUnavailable("down")}
    assert run(down) == ["a", "b"]
    assert [run(down) for _again in range(3)] == [["a"], ["b"], []]
    with pytest.raises(NoPluginAvailable, match=r"- a .*cooling down until 20.*\n- b .*cooling down until 20"):
        next(iter(failover(AbstractSms)))
    set_health([a], claimed_until=timezone.now())
    assert run({}) == ["a"]
    assert run({}) == ["a"]


def test_who_serves_again_while_all_seem_to_cool_down_is_tried(a: PluginInstance) -> None:
    """Another caller's success may come between two looks."""
    run({"a": PluginUnavailable(), "b": PluginUnavailable()})

    def recover(execute: Any, sql: str, *args: Any) -> Any:
        found = execute(sql, *args)
        if '"claimed_until" IS NULL' in sql:
            PluginHealth.objects.update(unavailable_until=None)
        return found

    with connection.execute_wrapper(recover):
        assert run({}) == ["a"]
    assert reload(a).unavailable_until is None


@both_ways
@pytest.mark.parametrize("error", [PluginRejected(), PluginOutcomeUnknown(), KeyboardInterrupt(), OSError("odd")])
@pytest.mark.parametrize("is_over", [True, False], ids=["after", "before"])
def test_without_a_result_the_next_caller_may_try(
    a: PluginInstance, run: Any, error: BaseException, *, is_over: bool
) -> None:
    """A probe that says nothing of the provider gives the claim back; a cooldown that was not over goes on."""
    PluginInstance.objects.exclude(pk=a.pk).delete()
    run({"a": PluginUnavailable()})
    if is_over:
        end(a)
    before = left(a)
    with suppress(type(error)):
        assert run({"a": error}) == ["a"]
    assert before is not None
    assert abs(left(a) - (0 if is_over else before)) < 30  # type: ignore[operator]
    assert run({}) == ["a"]


def test_a_cancelled_probe_gives_its_claim_back(a: PluginInstance) -> None:
    """So does a task that is cancelled while it waits for the provider."""
    run({"a": PluginUnavailable()})
    end(a)

    async def probe() -> None:
        async def wait() -> None:
            async for attempt in failover(AbstractSms):  # pragma: no branch - it is cancelled
                async with attempt:
                    started.set()
                    await asyncio.sleep(60)

        started = asyncio.Event()
        task = asyncio.create_task(wait())
        await started.wait()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async_to_sync(probe)()
    assert run({}) == ["a"]


def test_a_transaction_shows_no_claim(a: PluginInstance) -> None:
    """Inside of one, a claim is known to its own process only, and what comes of it is written at the end."""
    run({"a": PluginUnavailable()})
    end(a)
    with transaction.atomic():
        probe = next(iter(failover(AbstractSms)))
        assert (probe.instance, run({})) == (a, ["b"])
        with probe:
            raise PluginUnavailable
        assert run({}) == ["b"]
    assert reload(a).health.failures == 2
    end(a)
    with transaction.atomic():
        with pytest.raises(PluginRejected):
            run({"a": PluginRejected()}, cooldown=0)
        assert run({}) == ["a"]
    run({"a": PluginUnavailable()})
    end(a)
    with transaction.atomic():
        assert [claim(reload(a), seconds) for seconds in (0, 60, 60)] == [True, True, False]
    set_health([a], unavailable_until=timezone.now() + HOUR, claimed_until=timezone.now() + HOUR)
    with transaction.atomic():
        PluginInstance.objects.filter(name="b").update(status="disable")
        assert run({}) == []


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (OperationalError("database is locked"), "b"),
        (OperationalError("attempt to write a readonly database"), "a"),
        (InternalError("read-only transaction"), "a"),
    ],
)
def test_where_no_claim_can_be_written(a: PluginInstance, error: Exception, tried: str) -> None:
    """Where somebody else writes, that may be a claim; where nobody can, one of each process tries the instance."""
    run({"a": PluginUnavailable()})
    end(a)

    def refuse(execute: Any, sql: str, *args: Any) -> Any:
        if "FOR UPDATE" in sql or sql.startswith("UPDATE"):
            raise error
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        attempt = next(iter(failover(AbstractSms)))
        assert attempt.instance.name == tried
        assert run({}) == ["b"]
        with suppress(PluginRejected), attempt:
            raise PluginRejected
    assert run({}) == ["a"]


def test_a_claim_that_cannot_be_given_back_runs_out(a: PluginInstance) -> None:
    """The caller is not told of it."""
    run({"a": PluginUnavailable()})
    end(a)
    attempt = next(iter(failover(AbstractSms)))

    def refuse(*_args: Any) -> None:
        raise OperationalError

    with connection.execute_wrapper(refuse), pytest.raises(PluginRejected), attempt:
        raise PluginRejected
    assert run({}) == ["b"]


# Reports


def test_reports_do_as_a_failover_does(a: PluginInstance) -> None:
    """Code that uses get_plugin says what came of it."""
    plugin = get_plugin(AbstractSms)
    report_success(plugin)
    report_failure(plugin, PluginRejected("no such number"))
    report_failure(plugin, PluginOutcomeUnknown("timed out"))
    assert choose() == "a"
    report_failure(plugin, OSError("down"), cooldown=600)
    assert (choose(), reload(a).last_error) == ("b", "OSError: down")
    assert 590 < left(a) <= 600  # type: ignore[operator]
    report_success(get_plugin_by_id(AbstractSms, a.pk))
    assert choose() == "a"
    with pytest.raises(TypeError):
        report_failure(plugin, OSError(), cooldown="long")  # type: ignore[arg-type]


def test_a_report_quotes_no_value_that_a_reference_gave(
    a: PluginInstance, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the one that it gives by now, nor the one that the plugin was built with."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_TOKEN"]}
    monkeypatch.setenv("SMS_TOKEN", "first-value-of-the-token")
    a.set_config({**VALID, "token": {"$env": "SMS_TOKEN"}})
    a.save()
    plugin = get_plugin(AbstractSms)
    monkeypatch.setenv("SMS_TOKEN", "second-value-of-the-token")
    for value in ("first-value-of-the-token", "second-value-of-the-token"):
        report_failure(plugin, OSError(f"401 for {value}"), cooldown=0)
        assert reload(a).last_error.startswith("OSError: the message quotes a secret")


def test_asynchronous_code_reports_as_well(a: PluginInstance) -> None:
    """areport_failure and areport_success are the same."""

    async def report() -> None:
        await areport_failure(plugin, OSError("down"))
        assert await sync_to_async(lambda: reload(a).health.failures)() == 1
        await areport_success(plugin)

    plugin = get_plugin(AbstractSms)
    async_to_sync(report)()
    assert (choose(), reload(a).last_error) == ("a", "")


def test_plugins_that_know_nothing_of_rows(db: None) -> None:
    """A plugin without configuration is known by itself, a row stands for any, and a fake for none."""
    del db
    declare_type()
    declare_item(ConsoleSms, "console")
    sync_registered_plugins_to_db()
    row = PluginInstance.objects.get()
    plugin = get_plugin(AbstractSms)
    report_failure(plugin, OSError("no paper"))
    assert reload(row).last_error == "OSError: no paper"
    report_success(plugin)
    assert reload(row).last_error == ""
    del plugin
    assert not _rows
    report_failure(row, OSError("no ink"))
    assert reload(row).last_error == "OSError: no ink"
    report_success(row)
    with override_plugin(AbstractSms, ConsoleSms()):
        report_failure(get_plugin(AbstractSms), OSError())
        report_success(get_plugin(AbstractSms))
        attempts = iter(failover(AbstractSms))
        with next(attempts):
            raise PluginUnavailable
        with pytest.raises(AllPluginsFailed):
            next(attempts)
    assert reload(row).last_error == ""
