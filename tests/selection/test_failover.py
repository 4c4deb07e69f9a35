"""Failover, line by line of its contract."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from django_plugin_system import (
    AllPluginsFailed,
    NoPluginAvailable,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginTypeNotFound,
    PluginUnavailable,
    explain_selection,
    failover,
)
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem
from django_plugin_system.registry import temporary_registry
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.health import set_health
from tests.support.plugins import AbstractSms, FragileSms, LenientSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance, get_item, write_raw

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(provider: PluginItem) -> list[str]:
    """Store three instances, best first; return their names."""
    names = ["a", "b", "c"]
    for priority, name in enumerate(names):
        add_instance(name, provider, priority=priority)
    return names


def run(errors: Mapping[str, BaseException], **options: Any) -> list[str]:
    """Let the named instances raise, all others serve; return who was tried, in order."""
    tried: list[str] = []
    for attempt in failover(AbstractSms, **options):
        with attempt as sms:
            tried.append(attempt.instance.name)
            assert isinstance(sms, ProviderSms)
            if attempt.instance.name in errors:
                raise errors[attempt.instance.name]
    return tried


def raise_any(error: BaseException | None) -> None:
    """Raise ``error`` if there is one."""
    if error is not None:
        raise error


def run_async(errors: Mapping[str, BaseException], **options: Any) -> list[str]:
    """Do the same in asynchronous code."""

    async def attempts() -> list[str]:
        tried: list[str] = []
        async for attempt in failover(AbstractSms, **options):
            async with attempt:
                tried.append(attempt.instance.name)
                raise_any(errors.get(attempt.instance.name))
        return tried

    return async_to_sync(attempts)()


both_ways = pytest.mark.parametrize("run", [run, run_async], ids=["sync", "async"])


def get_cooling() -> set[str]:
    """Return the names of the instances that are set aside."""
    cooling = PluginHealth.objects.filter(unavailable_until__gt=timezone.now())
    return set(cooling.values_list("instance__name", flat=True))


@both_ways
def test_the_best_one_serves(three: list[str], run: Any) -> None:
    """One block without an error ends the loop; nothing is written."""
    assert run({}) == three[:1]
    assert run({}, name="b") == ["b"]
    assert get_cooling() == set()


@both_ways
@pytest.mark.parametrize("error", [PluginUnavailable("down"), OSError("down"), ValueError("odd")])
def test_the_next_one_is_tried(three: list[str], run: Any, error: Exception) -> None:
    """Unless narrowed, any error sets the instance aside, and the next one is tried."""
    assert run({"a": error, "b": error}) == three
    assert get_cooling() == {"a", "b"}
    assert run({}) == ["c"]


@both_ways
def test_other_errors_are_raised_where_it_is_narrowed(three: list[str], run: Any) -> None:
    """With retry_on, only those errors and PluginUnavailable lead on; others are raised and set nobody aside."""
    with pytest.raises(ValueError, match="bug"):
        run({"a": ValueError("bug")}, retry_on=OSError)
    assert get_cooling() == set()
    assert run({"a": OSError(), "b": PluginUnavailable()}, retry_on=(OSError, KeyError)) == three


@both_ways
@pytest.mark.parametrize("options", [{}, {"retry_on": Exception}, {"retry_on": PluginRejected}, {"idempotent": True}])
def test_a_rejected_request_goes_nowhere_else(three: list[str], run: Any, options: Any) -> None:
    """PluginRejected is raised at once; no other provider is called, and nobody is set aside."""
    unreachable = OSError("nobody may come here")
    with pytest.raises(PluginRejected):
        run({"a": PluginRejected("no such number"), "b": unreachable, "c": unreachable}, **options)
    assert get_cooling() == set()
    assert run({}) == three[:1]


@both_ways
def test_an_unknown_outcome_is_not_repeated(three: list[str], run: Any) -> None:
    """PluginOutcomeUnknown is raised at once, unless doing it twice does no harm."""
    with pytest.raises(PluginOutcomeUnknown):
        run({"a": PluginOutcomeUnknown("timed out")})
    assert get_cooling() == set()
    assert run({"a": PluginOutcomeUnknown("timed out")}, idempotent=True, retry_on=OSError) == three[:2]
    assert get_cooling() == {"a"}


@both_ways
def test_all_may_fail(three: list[str], run: Any) -> None:
    """The error at the end is a group of what each said, in order, under the type's name."""
    errors = {name: OSError(name) for name in three}
    with pytest.raises(AllPluginsFailed, match=r"Every usable instance of sms \(apps.sms\) failed") as failed:
        run(errors)
    assert list(failed.value.exceptions) == list(errors.values())


@both_ways
def test_nobody_to_try(provider: PluginItem, run: Any) -> None:
    """Without a usable instance the error is that of selection; an unknown type is an error at once."""
    write_raw(add_instance("broken", provider).pk, config={})
    with pytest.raises(NoPluginAvailable, match=r"broken \(provider\): config invalid"):
        run({})
    with pytest.raises(PluginTypeNotFound):
        failover("other", "apps.sms")


@both_ways
def test_nobody_is_tried_twice(three: list[str], run: Any) -> None:
    """With a cooldown of nothing, who failed is usable again at once, but not within the same failover."""
    assert run({"a": OSError()}, cooldown=0) == three[:2]
    assert get_cooling() == set()


def test_an_interrupt_may_lead_on(three: list[str]) -> None:
    """Who names an interrupt in retry_on gets what they asked for; it is no part of an ExceptionGroup."""
    assert run({"a": KeyboardInterrupt()}, retry_on=(KeyboardInterrupt,)) == three[:2]
    with pytest.raises(NoPluginAvailable):
        run({"c": KeyboardInterrupt()}, name="c", retry_on=(KeyboardInterrupt,))


@both_ways
def test_when_all_are_cooling_down_the_nearest_is_tried(three: list[str], run: Any) -> None:
    """Rather than none, the one that comes back first is tried, and only that one."""
    now = timezone.now()
    for name, minutes in zip(three, (3, 1, 2), strict=True):
        set_health(PluginInstance.objects.filter(name=name), unavailable_until=now + dt.timedelta(minutes=minutes))
    with pytest.raises(AllPluginsFailed) as failed:
        run({"b": OSError("still down")})
    assert len(failed.value.exceptions) == 1
    assert run({}) == ["b"]
    assert get_cooling() == {"a", "c"}
    assert run({}, name="a") == ["a"]
    assert get_cooling() == {"c"}


def test_who_cannot_be_read_is_passed_over_among_the_cooling(three: list[str]) -> None:
    """Of those that cool down, one with a broken config is no candidate; with nobody else left there is none."""
    set_health(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    soon = timezone.now() + dt.timedelta(minutes=1)
    set_health(PluginInstance.objects.filter(name="a"), unavailable_until=soon)
    PluginInstance.objects.filter(name="b").update(status="disable")
    write_raw(PluginInstance.objects.get(name="a").pk, config={})
    assert run({}) == three[2:]
    PluginInstance.objects.exclude(name="a").delete()
    set_health(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    with pytest.raises(NoPluginAvailable, match="cooling down until"):
        run({})


@both_ways
def test_a_constructor_that_fails_is_passed_over(provider: PluginItem, run: Any) -> None:
    """A plugin that cannot be built is not tried; it is among the errors if nobody else serves."""
    FragileSms.fails = True
    declare_item(FragileSms, "fragile", priority=-1)
    sync_registered_plugins_to_db()
    with pytest.raises(AllPluginsFailed) as failed:
        run({})
    assert "FragileSms could not be built" in str(failed.value.exceptions[0])
    add_instance(item=provider)
    assert run({}) == ["main"]


def test_the_nearest_one_is_the_last_hope(all_kinds: dict[str, PluginItem]) -> None:
    """If the only one that is tried while all cool down cannot be built, nobody else is."""
    PluginInstance.objects.exclude(item=all_kinds["fragile"]).delete()
    set_health(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    with pytest.raises(AllPluginsFailed, match="failed"):
        run({})


def test_a_types_own_choice_comes_first(db: None) -> None:
    """An override is asked for the first attempt; the other usable instances follow it."""
    del db
    declare_type(get_plugin=lambda _plugin_type: get_item("chosen"))
    declare_item(ProviderSms, "chosen", priority=9)
    declare_item(ProviderSms, "best")
    sync_registered_plugins_to_db()
    for name in ("chosen", "best"):
        add_instance(name, get_item(name))
    assert run({}) == ["chosen"]
    assert run({"chosen": OSError()}) == ["chosen", "best"]


def test_a_types_own_choice_is_tried_once(all_kinds: dict[str, PluginItem]) -> None:
    """What could not be built as the type's own choice is not tried again as the best instance."""
    PluginItem.objects.filter(pk=all_kinds["fragile"].pk).update(priority=-1)
    with temporary_registry(empty=True):
        declare_type(get_plugin=lambda _plugin_type: get_item("fragile"))
        declare_item(FragileSms, "fragile")
        declare_item(LenientSms, "lenient")
        assert run_async({}) == ["default"]


def test_the_caller_may_do_as_it_likes_with_the_row(three: list[str]) -> None:
    """attempt.instance is a row of the caller's own: disabling it is seen by the next failover."""
    for attempt in failover(AbstractSms):
        with attempt:
            attempt.instance.status = "disable"
            attempt.instance.save(update_fields=["status"])
    assert run({}) == three[1:2]


def test_an_attempt_must_be_entered(three: list[str]) -> None:
    """A loop body that forgets the with statement is told so, rather than trying everybody."""
    attempts = iter(failover("sms", "apps.sms"))
    assert next(attempts).instance.name == three[0]
    with pytest.raises(RuntimeError, match="with attempt as plugin"):
        next(attempts)


def test_interrupts_are_raised(three: list[str]) -> None:
    """KeyboardInterrupt and cancellation are no failures of a provider."""
    for error, how in ((KeyboardInterrupt(), run), (asyncio.CancelledError(), run_async)):
        with pytest.raises(type(error)):
            how({"a": error})
    assert get_cooling() == set()
    assert run({}) == three[:1]


def test_a_finished_failover_stays_finished(three: list[str]) -> None:
    """Its object is used once: after a success it has no more attempts."""
    once = failover(AbstractSms)
    for _again in range(2):
        for attempt in once:
            with attempt:
                three.append("tried")
    assert three[3:] == ["tried"]


def test_skipped_ones_are_explained(three: list[str]) -> None:
    """After a failover, the explanation says until when the others cool down."""
    run({"a": OSError("down")}, cooldown=3600)
    explained = str(explain_selection(AbstractSms))
    assert explained.startswith("sms (apps.sms): b (provider) is used\n1. a (provider): cooling down until 20")
    assert explained.endswith(f"3. {three[2]} (provider): usable, but comes later")
