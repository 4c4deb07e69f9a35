"""What is learned in a transaction is written after it, however it ends: committed, rolled back, broken."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import path
from django.utils import timezone

from django_plugin_system import PluginUnavailable, failover, get_plugin
from django_plugin_system.models import PluginInstance
from django_plugin_system.selection.notes import _waiting, write_waiting
from tests.support.health import set_health
from tests.support.plugins import AbstractSms
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from pytest_django import DjangoAssertNumQueries, Settings

    from django_plugin_system.models import PluginItem

real_transactions = pytest.mark.django_db(transaction=True)


class ViewError(Exception):
    """What goes wrong after the failover."""


def send(cooldown: float = 3600) -> list[str]:
    """Let the first provider fail and the second serve; return who was tried."""
    tried = []
    for attempt in failover(AbstractSms, cooldown=cooldown):
        with attempt:
            tried.append(attempt.instance.name)
            if attempt.instance.name == "first":
                raise PluginUnavailable
    return tried


def view(request: HttpRequest) -> HttpResponse:
    """Send, and then fail if the request says so."""
    tried = send()
    if "fail" in request.GET:
        raise ViewError
    return HttpResponse(",".join(tried))


urlpatterns = [path("send/", view)]


@pytest.fixture(autouse=True)
def nothing_waits() -> Iterator[None]:
    """Check that each test leaves nothing to be written."""
    assert not _waiting
    yield
    assert not _waiting


@pytest.fixture
def first(provider: PluginItem) -> PluginInstance:
    """Store two instances; return the one that fails."""
    add_instance("second", provider, priority=2)
    return add_instance("first", provider, priority=1)


def is_cooling(row: PluginInstance) -> bool:
    """Say whether the row says so."""
    stored = reload(row)
    return stored.unavailable_until is not None and stored.last_error == "PluginUnavailable"


@real_transactions
@pytest.mark.parametrize("query", ["fail=1", ""])
def test_atomic_requests_keep_the_mark(first: PluginInstance, settings: Settings, query: str) -> None:
    """A view that fails after a failover takes its own writes back, but not what was learned of the provider."""
    settings.ROOT_URLCONF = __name__
    client = Client(raise_request_exception=False)
    connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        response = client.get(f"/send/?{query}")
        assert response.status_code == (500 if query else 200)
        assert is_cooling(first)
        assert client.get("/send/").content == b"second"
    finally:
        connection.settings_dict["ATOMIC_REQUESTS"] = False


def send_and_fail(cooldown: float = 3600) -> None:
    """Send in a transaction that is rolled back."""
    with suppress(ViewError), transaction.atomic():
        assert send(cooldown) == ["first", "second"]
        raise ViewError


@real_transactions
def test_the_next_failover_writes_it_again(first: PluginInstance) -> None:
    """Where no request ends, as in a task queue, the next failover does; this process goes by it meanwhile."""
    send_and_fail()
    assert not is_cooling(first)
    assert get_plugin(AbstractSms).plugin_instance.name == "second"  # type: ignore[attr-defined]
    assert send() == ["second"]
    assert is_cooling(first)


@real_transactions
def test_it_may_be_lost_again(first: PluginInstance) -> None:
    """What is still waiting in another transaction waits for the end of that one, too."""
    send_and_fail()
    with suppress(ViewError), transaction.atomic():
        assert send() == ["second"]
        raise ViewError
    assert not is_cooling(first)
    with transaction.atomic():
        write_waiting()
        assert not is_cooling(first)
    assert is_cooling(first)


@real_transactions
def test_a_savepoint_may_take_it_along(first: PluginInstance) -> None:
    """What was learned in a savepoint that is rolled back is written on the commit of the transaction around it."""
    with transaction.atomic():
        send_and_fail()
        assert send() == ["second"]
        assert not is_cooling(first)
    assert is_cooling(first)


@real_transactions
def test_a_committed_mark_is_done_with(
    first: PluginInstance, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """What is committed, or was written without a transaction, is not looked at again."""
    with transaction.atomic():
        send()
        assert len(_waiting) == 1
    with django_assert_num_queries(0):
        write_waiting()
    set_health(unavailable_until=None, last_error="")
    send()
    assert is_cooling(first)
    with django_assert_num_queries(0):
        write_waiting()


@real_transactions
def test_a_broken_transaction_takes_no_mark(first: PluginInstance) -> None:
    """What was learned in a transaction that a database error broke is written when it is over."""
    with suppress(ViewError), transaction.atomic():
        attempt = next(iter(failover(AbstractSms, cooldown=3600)))
        with attempt:
            transaction.set_rollback(True)
            raise PluginUnavailable
        raise ViewError
    assert send() == ["second"]
    assert is_cooling(first)


@real_transactions
def test_what_is_over_is_forgotten(first: PluginInstance, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """A cooldown that ended meanwhile is not begun anew, nor one that somebody else began."""
    send_and_fail()
    until = timezone.now() + dt.timedelta(hours=9)
    set_health(PluginInstance.objects.filter(pk=first.pk), unavailable_until=until)
    write_waiting()
    assert reload(first).unavailable_until == until
    set_health(unavailable_until=None)
    send_and_fail(cooldown=0)
    with django_assert_num_queries(0):
        write_waiting()


@real_transactions
def test_a_callback_of_the_commit_may_fail_over(first: PluginInstance) -> None:
    """A failover that runs on the very commit goes by what was learned before it."""
    with transaction.atomic():
        transaction.on_commit(lambda: tried.extend(send()))
        tried = send()
    assert tried == ["first", "second", "second"]
    assert is_cooling(first)


@pytest.mark.django_db
def test_a_test_case_keeps_nothing(first: PluginInstance) -> None:
    """Marks that a TestCase rolls back with all its rows do not haunt the next test."""
    send_and_fail()
    assert not _waiting
    assert not is_cooling(first)


@real_transactions
def test_without_autocommit_nothing_is_written_in_the_callers_transaction(first: PluginInstance) -> None:
    """It has no end that could be waited for, so a connection of its own is used, and a rollback takes nothing back."""
    transaction.set_autocommit(False)
    try:
        assert send() == ["first", "second"]
        transaction.rollback()
        assert is_cooling(first)
        assert send() == ["second"]
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
