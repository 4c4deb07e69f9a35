"""The road to 3.0: legacy code runs silently, warns on request, and each warning points at the line to change."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

import django_plugin_system.services
from django_plugin_system.compat import RemovedInPluginSystem30Warning
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import ConsoleSms, declare_item, declare_type

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_django import Settings

pytestmark = pytest.mark.django_db

LEGACY = {
    "from django_plugin_system.storage import PluginTypeRegistry": "django_plugin_system.registry.PluginTypeRegistry",
    "from django_plugin_system.storage import PluginItemRegistry": "django_plugin_system.registry.PluginItemRegistry",
    "from django_plugin_system.services import sync_registered_plugins_to_db as sync": (
        "django_plugin_system.sync.sync_registered_plugins_to_db"
    ),
    "from django_plugin_system.services.sync import sync_registered_plugins_to_db": (
        "django_plugin_system.sync.sync_registered_plugins_to_db"
    ),
    "load_plugin_type('sms', 'apps.sms')": "django_plugin_system.registry.registry.get_type()",
    "load_plugin_item('console', 'apps.items', 'sms')": "django_plugin_system.registry.registry.get_item()",
    "get_plugin_instance('sms', 'apps.sms')": "get_plugin(Interface)",
    "get_plugin_class('sms', 'apps.sms')": "get_plugin(Interface)",
    "plugin_type.get_single_plugin()": "get_plugin(Interface)",
    "plugin_type.get_active_plugins()": "get_plugins(Interface)",
    "plugin_type.get_all_plugins()": "explain_selection(Interface)",
    "plugin_type.get_plugin_by_name('console')": "get_plugin(Interface, name=...)",
    "item.load_class()": "get_plugin(Interface) or instance.load_plugin()",
    "PluginItem.default_get_single_plugin(plugin_type)": "get_plugin(Interface)",
    "PluginItem.get_all_plugins(plugin_type)": "explain_selection(Interface)",
    "PluginItem.get_available_plugins(plugin_type)": "get_plugins(Interface)",
    "sync()['types_created']": "its attributes, as in result.types_created",
    "sync().get('types_found')": "its attributes, as in result.types_created",
    "'types_found' in sync()": "its attributes, as in result.types_created",
    "next(iter(sync()))": "its attributes, as in result.types_created",
    "len(sync())": "its attributes, as in result.types_created",
}
"""Each legacy use, and the new form that its warning names."""

PROJECT_CODE = """
from django_plugin_system.helpers import get_plugin_class, get_plugin_instance
from django_plugin_system.models import PluginItem
from django_plugin_system.register import load_plugin_item, load_plugin_type
item = PluginItem.objects.select_related("plugin_type").get(name="console")
plugin_type = item.plugin_type
"""


@pytest.fixture(autouse=True)
def synced() -> None:
    """Declare a type and an item, with their rows."""
    declare_type()
    declare_item(ConsoleSms, "console")
    sync_registered_plugins_to_db()


def run_project_code(folder: Path) -> list[warnings.WarningMessage]:
    """Run a file of somebody's project that uses all that is legacy, a line each; return what was warned of."""
    path = folder / "project_code.py"
    path.write_text("\n".join([PROJECT_CODE, *LEGACY]))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exec(compile(path.read_text(), str(path), "exec"), {"__name__": "project_code"})  # noqa: S102 - its own code
    return caught


def test_legacy_code_is_silent_by_default(tmp_path: Path, settings: Settings) -> None:
    """Version 1.2 says nothing about it."""
    settings.PLUGIN_SYSTEM = {}
    assert run_project_code(tmp_path) == []


def test_legacy_code_warns_on_request(tmp_path: Path, settings: Settings) -> None:
    """With WARN_LEGACY each use warns once, points at its own line, and names the new form."""
    settings.PLUGIN_SYSTEM = {"WARN_LEGACY": True}
    caught = run_project_code(tmp_path)
    lines = (tmp_path / "project_code.py").read_text().splitlines()
    assert {warning.category for warning in caught} == {RemovedInPluginSystem30Warning}
    assert {warning.filename for warning in caught} == {str(tmp_path / "project_code.py")}
    pointed_at = [lines[warning.lineno - 1] for warning in caught]
    assert pointed_at == list(LEGACY)
    for warning, new in zip(caught, LEGACY.values(), strict=True):
        assert str(warning.message).endswith(f" is removed in django-plugin-system 3.0; use {new}.")


def test_a_legacy_module_has_its_own_names_only() -> None:
    """Any other name is an AttributeError that names the legacy module."""
    legacy: Any = django_plugin_system.services
    with pytest.raises(AttributeError, match=r"module 'django_plugin_system\.services' has no attribute 'other'"):
        _ = legacy.other
