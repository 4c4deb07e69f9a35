"""What counts as the plugin's last word, however it arrives, and which options a failover refuses."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync

from django_plugin_system import (
    AllPluginsFailed,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
    failover,
    get_plugin,
)
from django_plugin_system.models import PluginInstance
from tests.support.plugins import AbstractSms
from tests.support.rows import add_instance

if sys.version_info >= (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from builtins import ExceptionGroup
else:  # pragma: no cover - the backport is installed on Python 3.10 only
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db

last_words = pytest.mark.parametrize("word", [PluginRejected("bad"), PluginOutcomeUnknown("timed out")], ids=type)


@pytest.fixture(autouse=True)
def two(provider: PluginItem) -> None:
    """Store two healthy instances, best first."""
    add_instance("a", provider, priority=1)
    add_instance("b", provider, priority=2)


def fail_over(fail: Callable[[], object], **options: Any) -> list[str]:
    """Let the first provider ``fail``, and the second one serve; return who was tried."""
    tried: list[str] = []
    for attempt in failover(AbstractSms, **options):
        with attempt:
            tried.append(attempt.instance.name)
            if len(tried) == 1:
                fail()
    return tried


def get_cooling() -> list[str]:
    """Return the names of the instances that are set aside."""
    return [row.name for row in PluginInstance.objects.filter(health__unavailable_until__isnull=False)]


def wrap(word: Exception) -> None:
    """Raise the plugin's word as the cause of an error of the caller's own."""
    message = "the payment failed"
    try:
        raise word
    except type(word) as error:
        raise ValueError(message) from error


def clean_up_badly(word: Exception) -> None:
    """Raise the plugin's word, and then fail in a ``finally``."""
    message = "the connection is gone"
    try:
        raise word
    finally:
        raise OSError(message)


def gather(word: Exception) -> None:
    """Raise the plugin's word inside of groups, beside harmless errors, as nested task groups do."""
    message = "unhandled errors in a TaskGroup"
    raise ExceptionGroup(message, [OSError("down"), ExceptionGroup(message, [PluginUnavailable("down"), word])])


@last_words
@pytest.mark.parametrize("raise_it", [wrap, clean_up_badly, gather])
def test_a_last_word_counts_inside_of_other_errors(word: Exception, raise_it: Callable[[Exception], None]) -> None:
    """A payment that may have happened is not repeated because the block wrapped or buried what the plugin said."""
    with pytest.raises((ValueError, OSError, ExceptionGroup)):
        fail_over(lambda: raise_it(word))
    assert get_cooling() == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="TaskGroup came with Python 3.11")
def test_a_last_word_counts_in_a_real_task_group() -> None:
    """The same in asynchronous code, where a TaskGroup makes the group."""
    tried = []

    async def pay() -> None:
        raise PluginOutcomeUnknown

    async def main() -> None:
        async for attempt in failover(AbstractSms):  # pragma: no branch - it is left early
            async with attempt, asyncio.TaskGroup() as group:
                tried.append(attempt.instance.name)
                group.create_task(pay())

    with pytest.raises(ExceptionGroup):
        async_to_sync(main)()
    assert tried == ["a"]


@pytest.mark.parametrize("raise_it", [wrap, clean_up_badly, gather])
def test_idempotent_work_may_be_repeated_then_too(raise_it: Callable[[Exception], None]) -> None:
    """With idempotent=True, only a rejection ends it."""
    assert fail_over(lambda: raise_it(PluginOutcomeUnknown("timed out")), idempotent=True) == ["a", "b"]
    assert get_cooling() == ["a"]


def test_a_group_leads_on_if_all_in_it_do() -> None:
    """Where retry_on is narrowed, a task group of such errors is one; beside a bug, it is raised as a bug."""
    message = "unhandled errors in a TaskGroup"
    down = ExceptionGroup(message, [PluginUnavailable(), ExceptionGroup(message, [PluginUnavailable()])])

    def fail(*more: Exception) -> None:
        raise ExceptionGroup(message, [down, *more])

    with pytest.raises(ExceptionGroup):
        fail_over(lambda: fail(TypeError("bug")), retry_on=PluginUnavailable)
    assert get_cooling() == []
    assert fail_over(fail, retry_on=PluginUnavailable) == ["a", "b"]
    assert get_cooling() == ["a"]


def test_a_failover_inside_does_not_hide_what_may_have_happened() -> None:
    """All failed inside, one of them perhaps not: the outer failover does not start over."""
    with pytest.raises(AllPluginsFailed) as failed:
        fail_over(lambda: _fail_inside(PluginOutcomeUnknown("timed out")))
    assert [type(error) for error in failed.value.exceptions] == [PluginOutcomeUnknown] * 2


def _fail_inside(error: Exception) -> None:
    for attempt in failover(AbstractSms, idempotent=True):
        with attempt:
            raise error


@last_words
def test_a_plugin_may_judge_anew(word: Exception) -> None:
    """Who asks the provider after a timeout, and then raises PluginUnavailable, has said that the next one may try."""

    def judge() -> None:
        try:
            raise word
        except type(word):
            raise PluginUnavailable  # noqa: B904 - with the word as its context

    assert fail_over(judge) == ["a", "b"]


@last_words
def test_a_word_about_an_earlier_request_does_not_count(word: Exception) -> None:
    """A failover that is the answer to somebody else's last word tries all of its own providers."""

    def fail() -> None:
        raise OSError

    try:
        raise word
    except type(word):
        assert fail_over(fail) == ["a", "b"]


def test_an_error_may_be_its_own_context() -> None:
    """Errors that refer to each other in a circle are looked at once."""

    def fail() -> None:
        first, second = OSError(), ValueError()
        first.__cause__, second.__cause__ = second, first
        raise first

    assert fail_over(fail) == ["a", "b"]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"cooldown": None}, TypeError, "number of seconds, not None"),
        ({"cooldown": -1}, ValueError, "from 0 to a century, not -1"),
        ({"cooldown": float("nan")}, ValueError, "not nan"),
        ({"cooldown": float("inf")}, ValueError, "not inf"),
        ({"retry_on": None}, TypeError, "retry_on takes an exception type"),
        ({"retry_on": [OSError]}, TypeError, "retry_on takes an exception type"),
        ({"retry_on": (OSError, OSError())}, TypeError, "retry_on takes an exception type"),
    ],
)
def test_wrong_options_are_refused_at_the_call(options: dict[str, Any], error: type[Exception], text: str) -> None:
    """They are no surprise that hides the provider's error on the day it fails."""
    with pytest.raises(error, match=text):
        failover(AbstractSms, **options)


def test_a_name_that_is_given_by_position_is_refused() -> None:
    """It would stand in the manager's place and choose among all instances, in silence."""
    ask: Any = get_plugin
    with pytest.raises(TypeError, match="given as name="):
        ask(AbstractSms, "b")
