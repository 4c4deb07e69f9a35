"""The fixtures for pytest, in a project that asks for them in its conftest.py; and what importing them takes."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from django_plugin_system import testing
from django_plugin_system.registry import Registry, registry
from tests.support.plugins import AbstractSms, ConsoleSms, declare_item, declare_type

if TYPE_CHECKING:
    from pathlib import Path

CONFTEST = 'pytest_plugins = ["django_plugin_system.testing.fixtures"]\n'
SETTINGS = """
SECRET_KEY = "a key for tests only"
INSTALLED_APPS = ["django_plugin_system"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
PLUGIN_SYSTEM = {"BLOCK_IN_TESTS": True}
"""
TESTS = """
from abc import ABC, abstractmethod
import pytest
from django_plugin_system import get_plugin, plugin_item, plugin_type
from django_plugin_system.exceptions import PluginBlocked
from django_plugin_system.plugin import build_plugin
from django_plugin_system.registry import registry
from django_plugin_system.overrides import overrides

@plugin_type(name="sms", manager="shop")
class Sms(ABC):
    @abstractmethod
    def send(self): ...

class Fake(Sms):
    def send(self): ...

def test_1_override(override_plugin):
    fake = Fake()
    override_plugin(Sms, fake)
    override_plugin("sms", "shop", Fake, name="other")
    assert get_plugin(Sms) is fake
    assert get_plugin(Sms, name="other") is not fake

def test_2_registry(temporary_registry):
    plugin_item(Sms, name="fake", module="shop")(Fake)
    assert len(temporary_registry.items) == 1

def test_3_nothing_is_left():
    assert not overrides and not registry.items
    with pytest.raises(PluginBlocked):
        build_plugin(Fake, None)

@pytest.mark.usefixtures("allow_plugins")
def test_4_allowed():
    build_plugin(Fake, None)

def test_5_blocked():
    with pytest.raises(PluginBlocked):
        build_plugin(Fake, None)
"""
IMPORT = """
import sys
import django_plugin_system.testing
assert "pytest" not in sys.modules and "django_plugin_system.models" not in sys.modules
import django_plugin_system.testing.fixtures
assert "django_plugin_system.models" not in sys.modules
from django.conf import settings
assert not settings.configured
"""


def test_a_project_uses_the_fixtures(tmp_path: Path) -> None:
    """With the fixtures named in conftest.py, fakes, registrations and permissions end with each test."""
    files = {"conftest.py": CONFTEST, "shop_settings.py": SETTINGS, "test_shop.py": TESTS, "pytest.ini": "[pytest]"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--ds=shop_settings", "--rootdir=."]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)
    assert "5 passed" in done.stdout, done.stdout


def test_importing_the_kit_takes_neither_pytest_nor_settings() -> None:
    """A project without pytest can import the kit; nothing in it needs models before Django is set up."""
    subprocess.run([sys.executable, "-c", IMPORT], check=True, timeout=120)


@pytest.mark.parametrize("empty", [False, True])
def test_a_temporary_registry_gives_everything_back(*, empty: bool) -> None:
    """What was registered before is there again afterwards, in its order; what came in between is forgotten."""
    declare_type()
    declare_item(ConsoleSms, "first")
    before, generation = list(registry.items), registry.generation
    with testing.temporary_registry(empty=empty) as inside:
        assert isinstance(inside, Registry)
        assert (list(inside.items) == []) is empty
        declare_type()
        declare_item(ConsoleSms, "zeroth", priority=-1)
        declare_item(ConsoleSms, "first")
        with testing.temporary_registry():
            declare_item(ConsoleSms, "second")
        assert len(inside.items) == 2
        assert inside.get_type(AbstractSms).name == "sms"
    assert list(registry.items) == before
    assert registry.generation > generation


@testing.temporary_registry(empty=True)
def test_a_temporary_registry_decorates() -> None:
    """It is a decorator like the others."""
    assert registry.types == {}
    declare_type()
