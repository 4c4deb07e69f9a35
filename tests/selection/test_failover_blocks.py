"""How a block may end beside success and failure: left early, cancelled, closed, or with another failover inside."""

from __future__ import annotations

import asyncio
import datetime as dt
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from django_plugin_system import AllPluginsFailed, PluginUnavailable, failover
from django_plugin_system.models import PluginHealth, PluginInstance
from tests.support.health import set_health
from tests.support.plugins import AbstractSms
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two(provider: PluginItem) -> None:
    """Store two instances, best first; the first one carries the mark of an old failure."""
    past = timezone.now() - dt.timedelta(hours=1)
    add_instance("a", provider, priority=1, last_error="old", unavailable_until=past)
    add_instance("b", provider, priority=2)


def get_errors() -> dict[str, str]:
    """Return what the rows say of failures."""
    return dict(PluginHealth.objects.order_by("instance__name").values_list("instance__name", "last_error"))


def test_leaving_a_block_is_a_success() -> None:
    """``return`` and ``break`` inside the block end it without an error, so the provider has served."""
    served = []

    def send() -> None:
        for attempt in failover(AbstractSms):  # pragma: no branch - it is left early
            with attempt:
                served.append(attempt.instance.name)
                return

    send()
    assert served == ["a"]
    assert get_errors() == {"a": "", "b": ""}
    set_health(PluginInstance.objects.filter(name="a"), last_error="old")
    for attempt in failover(AbstractSms):  # pragma: no branch - it is left early
        with attempt:
            break
    assert attempt.instance.name == "a"
    assert get_errors() == {"a": "", "b": ""}


def test_going_on_after_a_success_ends_the_loop() -> None:
    """``continue`` inside the block is a success as well; nobody else is tried."""
    tried = []
    for attempt in failover(AbstractSms):
        with attempt:
            tried.append(attempt.instance.name)
            continue
    assert tried == ["a"]


def test_a_closed_generator_says_nothing_of_the_provider() -> None:
    """A generator that is closed in the middle of a block neither fails nor clears its provider."""

    def stream() -> Iterator[str]:
        for attempt in failover(AbstractSms):  # pragma: no branch - it is left early
            with attempt:
                yield attempt.instance.name

    with closing(stream()) as streaming:  # type: ignore[type-var] # a generator has close()
        assert next(streaming) == "a"
    assert get_errors() == {"a": "old", "b": ""}


def test_a_cancelled_task_says_nothing_of_the_provider() -> None:
    """A task that is cancelled while its provider works leaves the rows alone, and stays cancelled."""

    async def send(started: asyncio.Event) -> None:
        async for attempt in failover(AbstractSms):  # pragma: no branch - it is left early
            async with attempt:
                started.set()
                await asyncio.Event().wait()

    async def cancel() -> bool:
        started = asyncio.Event()
        task = asyncio.ensure_future(send(started))
        await started.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert async_to_sync(cancel)()
    assert get_errors() == {"a": "old", "b": ""}


def test_failovers_may_be_nested() -> None:
    """A failover inside the block of another has its own attempts; if all of them fail, so does the outer provider."""
    tried: list[tuple[str, str]] = []

    def fail_inside(outer: str) -> None:
        for attempt in failover(AbstractSms, name="b"):
            with attempt:
                tried.append((outer, attempt.instance.name))
                raise PluginUnavailable

    def fail_outside() -> None:
        for attempt in failover(AbstractSms):
            with attempt:
                fail_inside(attempt.instance.name)

    with pytest.raises(AllPluginsFailed) as failed:
        fail_outside()
    assert tried == [("a", "b")]
    assert [type(error) for error in failed.value.exceptions] == [AllPluginsFailed]
    assert get_errors() == {"a": get_errors()["a"], "b": "PluginUnavailable"}
    assert get_errors()["a"].startswith("AllPluginsFailed: ")


def test_a_bug_of_the_caller_counts_unless_it_is_narrowed() -> None:
    """By default any error lets the next provider be tried, but an error of every provider counts against nobody."""

    def trip() -> None:
        for attempt in failover(AbstractSms, retry_on=PluginUnavailable):  # pragma: no branch - it is left early
            with attempt:
                raise TypeError

    with pytest.raises(TypeError):
        trip()
    assert get_errors() == {"a": "old", "b": ""}
    with pytest.raises(AllPluginsFailed):
        _trip_everybody()
    assert get_errors() == {"a": "old", "b": ""}


def _trip_everybody() -> None:
    for attempt in failover(AbstractSms):
        with attempt:
            raise TypeError
