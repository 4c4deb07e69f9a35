"""Selection inside what Django wraps around code: test cases that roll back or flush, requests in a transaction."""

from __future__ import annotations

import unittest
from itertools import product
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, TestCase, TransactionTestCase
from django.urls import path

from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support import errands
from tests.support.errands import choose, rename
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)

Cases = tuple[type[TransactionTestCase], ...]
in_both_modes = pytest.mark.parametrize("staleness", [0, 3600])


class RolledBack(TestCase):
    """A test whose changes are rolled back."""

    __test__ = False  # pytest is not to run it by itself

    def runTest(self) -> None:  # noqa: N802 - unittest's name
        """See nobody else's changes, and its own."""
        sync_registered_plugins_to_db()
        assert choose() is None
        add_instance("rolled-back")
        assert choose() == "provider/rolled-back/AC1"


class Flushed(TransactionTestCase):
    """A test after which the tables are emptied, the changes among them."""

    __test__ = False

    def runTest(self) -> None:  # noqa: N802 - unittest's name
        """See nobody else's changes, and its own."""
        sync_registered_plugins_to_db()
        assert choose() is None
        add_instance("flushed")
        assert choose() == "provider/flushed/AC1"


@in_both_modes
@pytest.mark.parametrize("order", list(product((RolledBack, Flushed), repeat=3)))
def test_test_cases_need_no_help(
    settings: Settings, staleness: int, order: tuple[type[TransactionTestCase], ...]
) -> None:
    """Whatever kinds of test cases follow each other, none sees what was selected in another."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    errands.declare()
    for case in order:
        result = unittest.TestResult()
        unittest.TestSuite([case()]).run(result)
        assert result.testsRun == 1
        assert result.wasSuccessful(), [text for _case, text in (*result.failures, *result.errors)]


def rename_or_fail(request: HttpRequest) -> HttpResponse:
    """Rename the instance, select, and fail if the request says so."""
    rename("main", "renamed")
    chosen = choose()
    if "fail" in request.GET:
        raise ZeroDivisionError
    return HttpResponse(chosen)


def show(request: HttpRequest) -> HttpResponse:
    """Answer with what is selected."""
    del request
    return HttpResponse(choose())


urlpatterns = [path("rename", rename_or_fail), path("show", show)]


@in_both_modes
def test_requests_in_a_transaction(settings: Settings, monkeypatch: pytest.MonkeyPatch, staleness: int) -> None:
    """With ATOMIC_REQUESTS, what a failed request changed is selected by it alone, and never again."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    settings.ROOT_URLCONF = __name__
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)  # noqa: FBT003 - no choice
    errands.declare()
    sync_registered_plugins_to_db()
    add_instance("main")
    client = Client(raise_request_exception=False)
    answers = [client.get(address) for address in ("/show", "/rename?fail", "/show", "/rename", "/show")]
    assert [answer.status_code for answer in answers] == [200, 500, 200, 200, 200]
    assert [answers[index].content.decode() for index in (0, 2, 3, 4)] == [
        "provider/main/AC1",
        "provider/main/AC1",
        "provider/renamed/AC1",
        "provider/renamed/AC1",
    ]
