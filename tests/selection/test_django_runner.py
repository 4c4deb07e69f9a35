"""Selection in the tests of projects: TestCase and TransactionTestCase need no help, in any order of any runner."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = """
SECRET_KEY = "a key for tests only"
INSTALLED_APPS = ["django_plugin_system", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
"""
PLUGINS = """
from abc import ABC, abstractmethod
from django_plugin_system import plugin_item, plugin_type

@plugin_type(name="sms", manager="shop")
class Sms(ABC):
    @abstractmethod
    def send(self): ...

@plugin_item(Sms, name="one", module="shop", priority=1)
class One(Sms):
    def send(self): ...

@plugin_item(Sms, name="two", module="shop", priority=2)
class Two(Sms):
    def send(self): ...
"""
TESTS = """
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django_plugin_system import get_plugin
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.testing import override_plugin
from shop.plugins import One, Sms, Two

class Both:
    def test_a_disables(self):
        self.assertIsInstance(get_plugin(Sms), One)
        PluginItem.objects.filter(name="one").update(status="disable")
        self.assertIsInstance(get_plugin(Sms), Two)

    def test_b_deletes(self):
        self.assertIsInstance(get_plugin(Sms), One)
        PluginInstance.objects.filter(item__name="one").delete()
        self.assertIsInstance(get_plugin(Sms), Two)

class InTransaction(Both, TestCase):
    pass

class Committed(Both, TransactionTestCase):
    pass

class Faked(SimpleTestCase):
    def test_without_a_database(self):
        with override_plugin(Sms, Two):
            self.assertIsInstance(get_plugin(Sms), Two)
"""


@pytest.mark.parametrize("order", [[], ["--reverse"], ["--shuffle=7"]], ids=["plain", "reverse", "shuffle"])
def test_tests_of_both_kinds_run_in_any_order(tmp_path: Path, order: list[str]) -> None:
    """What one test selects or changes is never seen by the next, whether it rolls back or flushes."""
    shop = tmp_path / "shop"
    shop.mkdir()
    files = {"__init__.py": "", "settings.py": SETTINGS, "plugins.py": PLUGINS, "tests.py": TESTS}
    for name, text in files.items():
        (shop / name).write_text(text)
    command = [sys.executable, "-m", "django", "test", "--settings=shop.settings", "--pythonpath=.", *order]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=300)
    assert "Ran 5 tests" in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr
