"""A provider that is down, and many processes that notice it at once: one write for each cooldown."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_plugin_system.models import PluginInstance
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support import errands
from tests.support.health import set_health
from tests.support.rows import add_instance, reload
from tests.support.worker import Worker, running_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db(transaction=True)

PROCESSES, CALLS = 4, 25


@pytest.fixture
def workers(transactional_db: None) -> Iterator[list[Worker]]:
    """Start processes that are ready to fail over."""
    del transactional_db
    errands.declare()
    sync_registered_plugins_to_db()
    add_instance("main", priority=1)
    with ExitStack() as stack:
        started = [stack.enter_context(running_worker()) for _ in range(PROCESSES)]
        assert [worker.ask("choose") for worker in started] == ["provider/main/AC1"] * PROCESSES
        yield started


def ask_all(workers: list[Worker], *errand: Any) -> list[dict[str, int]]:
    """Send all processes off at the same time, and return what each brings back."""
    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(lambda worker: worker.ask(*errand), workers))


def test_one_write_for_each_cooldown(workers: list[Worker]) -> None:
    """Of many calls that fail at once, one writes; after that one may try early, and one when the cooldown is over."""
    for burst in (PROCESSES, 1):
        reports = ask_all(workers, "fail_again_and_again", CALLS)
        assert 1 <= sum(report["tried"] for report in reports) <= burst + 1
        assert 1 <= sum(report["signals"] for report in reports) <= 2
        assert max(report["updates"] for report in reports) <= 4  # two for a claim and its failure
        first = reload(PluginInstance.objects.get())
        assert [report["tried"] for report in ask_all(workers, "fail_again_and_again", 3)] == [0] * PROCESSES
        assert reload(first).unavailable_until == first.unavailable_until
        set_health(unavailable_until=timezone.now() - dt.timedelta(seconds=1))


def test_one_write_for_each_recovery(workers: list[Worker]) -> None:
    """Of many calls that succeed after a failure, one clears the mark."""
    set_health(unavailable_until=timezone.now() - dt.timedelta(seconds=1), last_error="down")
    reports = ask_all(workers, "succeed_again_and_again", CALLS)
    assert sum(report["signals"] for report in reports) == 1
    assert max(report["updates"] for report in reports) <= 2  # it claims the instance first
    cleared = PluginInstance.objects.get()
    assert (cleared.unavailable_until, cleared.last_error) == (None, "")
