"""override_plugin: what answers whom while a test says so, and that nothing of it stays. Without a database."""

from __future__ import annotations

import asyncio
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from django.test import SimpleTestCase

from django_plugin_system import (
    AllPluginsFailed,
    PluginRejected,
    PluginTypeNotFound,
    aget_plugin,
    aget_plugin_by_id,
    aget_plugins,
    explain_selection,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugin_class,
    get_plugin_instance,
    get_plugins,
)
from django_plugin_system.exceptions import InvalidPluginClass
from django_plugin_system.overrides import overrides
from django_plugin_system.registry import temporary_registry
from django_plugin_system.testing import override_plugin
from tests.support.plugins import AbstractSms, declare_type

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

NAMES = ("sms", "apps.sms")
ANY_ID = "00000000-0000-0000-0000-000000000000"


class FakeSms(AbstractSms):
    """What tests send with."""

    def send(self, text: str) -> Any:
        """Send nothing."""


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    """Declare the type; check that no fake is left afterwards."""
    declare_type()
    yield
    assert overrides == []


def ask_everyone() -> list[object]:
    """Return what each way of asking gives."""
    tried: list[object] = []
    for attempt in failover(AbstractSms):
        with attempt as plugin:
            tried.append(plugin)
    return [
        get_plugin(AbstractSms),
        get_plugin(AbstractSms, name="transactional"),
        get_plugin(*NAMES),
        *get_plugins(AbstractSms),
        get_plugin_by_id(AbstractSms, ANY_ID),
        *tried,
        get_plugin_instance(*NAMES),
        get_plugin_class(*NAMES)(),
    ]


async def ask_async() -> list[object]:
    """Return what each asynchronous way of asking gives."""
    tried: list[object] = []
    async for attempt in failover(AbstractSms):
        async with attempt as plugin:
            tried.append(plugin)
    return [
        await aget_plugin(AbstractSms),
        *await aget_plugins(AbstractSms),
        await aget_plugin_by_id(AbstractSms, ANY_ID),
        *tried,
    ]


shared = FakeSms()


@pytest.mark.parametrize(
    "override",
    [override_plugin(AbstractSms, shared), override_plugin("sms", "apps.sms", shared)],
    ids=["class", "names"],
)
def test_everyone_gets_the_object(override: AbstractContextManager[None]) -> None:
    """An object is given to all who ask for its type, whatever the name, in every way there is."""
    with override:
        assert ask_everyone() == [shared] * 8
        assert asyncio.run(ask_async()) == [shared] * 4


@pytest.mark.parametrize("make", [FakeSms, partial(FakeSms)], ids=["class", "function"])
def test_a_class_makes_one_for_each(make: Any) -> None:
    """A class, or a function, is called for each plugin; the legacy class is usable as one."""
    with override_plugin(AbstractSms, make):
        plugins = ask_everyone()
        assert issubclass(get_plugin_class(*NAMES), AbstractSms)
    assert len(set(map(id, plugins))) == len(plugins) == 8
    assert {type(plugin) for plugin in plugins} == {FakeSms}


def test_a_mock_of_the_interface_will_do() -> None:
    """A Mock that knows its interface passes for a plugin; one that does not is refused."""
    fake = mock.Mock(spec=AbstractSms)
    with override_plugin(AbstractSms, fake):
        get_plugin(AbstractSms).send("hello")
        assert get_plugin_class(*NAMES)() is fake
    fake.send.assert_called_once_with("hello")
    with override_plugin(AbstractSms, mock.Mock()), pytest.raises(InvalidPluginClass, match="A Mock, which Mock ret"):
        get_plugin(AbstractSms)


@pytest.mark.parametrize("fake", [3, int, AbstractSms], ids=["object", "class", "abstract"])
def test_what_does_not_implement_the_interface_is_refused(fake: Any) -> None:
    """A fake of another kind is a TypeError where it is put in place, which says what is needed."""
    with pytest.raises(TypeError, match="does not implement AbstractSms: override_plugin needs a plugin"):
        override_plugin(AbstractSms, fake).enable()


def test_an_unknown_type_is_refused() -> None:
    """The type has to be registered by the time the override begins, not earlier."""
    early = override_plugin("late", "apps.sms", FakeSms())
    with pytest.raises(PluginTypeNotFound):
        early.enable()


def test_a_name_is_one_name() -> None:
    """With a name, requests for that name are answered; a request for another goes its usual way."""
    general, special = FakeSms(), FakeSms()
    with override_plugin(AbstractSms, general), override_plugin(AbstractSms, special, name="marketing"):
        assert get_plugin(AbstractSms, name="marketing") is special
        assert get_plugins(AbstractSms, name="marketing") == [special]
        assert get_plugin(AbstractSms, name="transactional") is get_plugin(AbstractSms) is general
        assert get_plugin_by_id(AbstractSms, ANY_ID) is general
        with override_plugin(AbstractSms, FakeSms):
            assert get_plugin(AbstractSms, name="marketing") is not special
        assert get_plugin(AbstractSms, name="marketing") is special


def test_the_last_one_answers() -> None:
    """Overrides may be nested, even of themselves; each ends with its own block, errors included."""
    outer, inner = FakeSms(), FakeSms()
    override = override_plugin(AbstractSms, outer)
    with override:
        with suppress(ZeroDivisionError), override_plugin(AbstractSms, inner), override:
            assert get_plugin(AbstractSms) is outer
            raise ZeroDivisionError
        assert get_plugin(AbstractSms) is outer
    assert overrides == []


def test_it_counts_in_every_thread_and_task() -> None:
    """Threads that were there before, as those of a live server, get the fake as well."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        fake = FakeSms()
        with override_plugin(AbstractSms, fake):
            assert pool.submit(get_plugin, AbstractSms).result() is fake


def fail(error: Exception) -> None:
    """Let each attempt of a failover raise."""
    for attempt in failover(AbstractSms, name="transactional"):
        with attempt:
            assert attempt.instance.name == "override_plugin(FakeSms)"
            raise error


def test_a_failover_has_one_attempt() -> None:
    """A fake that fails is the end of a failover; its row was never saved, and nothing is written."""
    with override_plugin(AbstractSms, FakeSms()), pytest.raises(AllPluginsFailed) as failed:
        fail(OSError("down"))
    assert [str(error) for error in failed.value.exceptions] == ["down"]
    with override_plugin(AbstractSms, FakeSms), pytest.raises(PluginRejected):
        fail(PluginRejected("no"))


def test_an_explanation_says_so() -> None:
    """explain_selection() names the fake."""
    with override_plugin(AbstractSms, FakeSms):
        selection = explain_selection(AbstractSms, name="marketing")
    wanted = "sms (apps.sms) named marketing"
    fake = "override_plugin(FakeSms)"
    assert str(selection) == f"{wanted}: {fake} is used\n1. {fake}: used"
    assert selection.chosen == selection.candidates[0].instance


@override_plugin("sms", "apps.sms", shared)
def test_it_decorates_a_function() -> None:
    """A decorated test runs with the fake."""
    assert get_plugin(AbstractSms) is shared


def test_it_decorates_a_coroutine() -> None:
    """A decorated coroutine runs with the fake until it is done."""

    @override_plugin(AbstractSms, shared)
    async def ask() -> object:
        await asyncio.sleep(0)
        return await aget_plugin(AbstractSms)

    assert asyncio.run(ask()) is shared


@override_plugin(AbstractSms, shared)
class TestDecorated:
    """A class as pytest collects it."""

    expected = FakeSms

    def test_each_test_of_a_class(self) -> None:
        """The fake is there for each of its tests."""
        assert get_plugin(AbstractSms) is shared

    def helper(self) -> None:
        """Stay as it is: its name does not begin with test."""

    def test_nothing_else(self) -> None:
        """Other members stay as they were."""
        assert self.expected is FakeSms
        assert not hasattr(self.helper, "__wrapped__")
        assert hasattr(self.test_nothing_else, "__wrapped__")


def run_case(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run the tests of ``case``."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(result)
    return result


@pytest.mark.parametrize("base", [SimpleTestCase, unittest.IsolatedAsyncioTestCase])
def test_it_decorates_a_test_case(base: type[unittest.TestCase]) -> None:
    """In a decorated TestCase the fake is there from setUp on, in plain and async tests, whether they pass or fail."""

    @override_plugin(AbstractSms, shared)
    class Case(base):  # type: ignore[valid-type, misc] # a test for each kind of base
        def setUp(self) -> None:
            self.seen = get_plugin(AbstractSms)

        def test_plain(self) -> None:
            assert get_plugin(AbstractSms) is self.seen

        def test_that_fails(self) -> None:
            raise AssertionError

        async def test_async(self) -> None:
            assert await aget_plugin(AbstractSms) is shared

    result = run_case(Case)
    assert (result.testsRun, len(result.failures), result.errors) == (3, 1, [])


def test_it_outlasts_a_registry_of_its_own() -> None:
    """A type that is registered anew inside the override is still answered by the fake."""
    with override_plugin(AbstractSms, shared), temporary_registry(empty=True):
        declare_type()
        assert get_plugin(AbstractSms) is shared


def test_without_it_the_database_is_asked() -> None:
    """After the override, selection is what it was: here, forbidden."""
    with override_plugin(AbstractSms, FakeSms):
        get_plugin(AbstractSms)
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        get_plugin(AbstractSms)
    with override_plugin(AbstractSms, FakeSms, name="other"), pytest.raises(RuntimeError, match="Database access"):
        get_plugin(AbstractSms)
