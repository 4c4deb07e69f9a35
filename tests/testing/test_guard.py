"""The guard: with BLOCK_IN_TESTS, no test builds a real plugin by accident, in whatever way it is asked for."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.test import SimpleTestCase, override_settings

from django_plugin_system.exceptions import InvalidSetting, PluginBlocked
from django_plugin_system.overrides import allowed, is_test_run
from django_plugin_system.plugin import build_plugin
from django_plugin_system.testing import allow_plugins, override_plugin
from tests.support.plugins import AbstractSms, ConsoleSms, LenientConfig, LenientSms, declare_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

OUTSIDE = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_plugin_system"], PLUGIN_SYSTEM={"BLOCK_IN_TESTS": True})
django.setup()
from django_plugin_system.overrides import allowed, is_test_run
from django_plugin_system.plugin import build_plugin
assert not is_test_run()
build_plugin(object, None)
from django.test.utils import setup_test_environment, teardown_test_environment
build_plugin(object, None)
setup_test_environment()
try:
    build_plugin(object, None)
except AssertionError:
    teardown_test_environment()
build_plugin(object, None)
print("blocked in the test run only")
"""


@pytest.fixture(autouse=True)
def blocked(settings: Settings) -> Iterator[None]:
    """Switch the guard on."""
    settings.PLUGIN_SYSTEM = {"BLOCK_IN_TESTS": True}
    yield
    assert allowed == []


def build(plugin_class: type = LenientSms, config: Any = None) -> object:
    """Build a plugin as selection does."""
    return build_plugin(plugin_class, config or LenientConfig())


def test_building_is_blocked() -> None:
    """The error names the class and both ways out, and is one that test runners count as a failure."""
    with pytest.raises(PluginBlocked) as caught:
        build()
    assert isinstance(caught.value, AssertionError)
    assert caught.value.plugin_class is LenientSms
    for word in ("LenientSms", "BLOCK_IN_TESTS", "override_plugin()", "allow_plugins(LenientSms)"):
        assert word in str(caught.value)


@pytest.mark.parametrize("value", [{}, {"BLOCK_IN_TESTS": False}], ids=["unset", "off"])
def test_it_is_off_unless_it_is_set(settings: Settings, value: Any) -> None:
    """Without the setting everything is built as ever."""
    settings.PLUGIN_SYSTEM = value
    assert isinstance(build(), LenientSms)


@pytest.mark.parametrize("value", [{"BLOCK_IN_TESTS": "yes"}, []], ids=["flag", "dict"])
def test_an_unusable_setting_builds_nothing(settings: Settings, value: Any) -> None:
    """Where it is not clear whether plugins may be built, none is: the error names the setting."""
    settings.PLUGIN_SYSTEM = value
    with pytest.raises(InvalidSetting, match="PLUGIN_SYSTEM"):
        build()


def test_override_settings_is_heard() -> None:
    """A test may switch it off and on like any setting."""
    with override_settings(PLUGIN_SYSTEM={}):
        build()
    with pytest.raises(PluginBlocked):
        build()


@pytest.mark.parametrize("classes", [(), (LenientSms,), (AbstractSms,), (ConsoleSms, LenientSms)])
def test_allowed_classes_are_built(classes: tuple[type, ...]) -> None:
    """allow_plugins() lets everything through, or plugin classes, or whole interfaces, while it lasts."""
    with allow_plugins(*classes):
        build()
    with pytest.raises(PluginBlocked):
        build()


def test_other_classes_stay_blocked() -> None:
    """What is allowed is allowed by name; nested permissions add up."""
    with allow_plugins(ConsoleSms):
        with pytest.raises(PluginBlocked):
            build()
        with allow_plugins(LenientSms):
            build()
        with pytest.raises(PluginBlocked):
            build()


def test_it_decorates() -> None:
    """allow_plugins() is a decorator, too, for functions and TestCases."""
    assert isinstance(allow_plugins()(build)(), LenientSms)

    @allow_plugins(LenientSms)
    class Case(SimpleTestCase):
        def runTest(self) -> None:  # noqa: N802 - unittest's
            build()

    assert Case().run().wasSuccessful()  # type: ignore[union-attr] # it returns a result


def test_a_constructor_is_nobodys_business() -> None:
    """A test that builds a plugin by hand means it."""
    assert LenientSms(LenientConfig()).config.retries == 3


def test_a_fake_needs_no_permission() -> None:
    """What stands in for a real plugin is not blocked."""
    declare_type()
    with override_plugin(AbstractSms, ConsoleSms) as nothing:
        assert nothing is None


def test_outside_of_tests_nothing_is_blocked() -> None:
    """The setting may stay on in production: only what Django's test runners set up counts as a test run."""
    assert is_test_run()
    done = subprocess.run([sys.executable, "-c", OUTSIDE], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "blocked in the test run only\n"
