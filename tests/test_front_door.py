"""What ``from django_plugin_system import ...`` gives, and that Django need not be set up for the import alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

import django_plugin_system
from django_plugin_system import clients, exceptions, helpers, plugin, register, registry, storage
from django_plugin_system.schema import tree
from django_plugin_system.selection import attempts


@pytest.mark.parametrize("name", django_plugin_system.__all__)
def test_every_public_name_is_there(name: str) -> None:
    """Each name of ``__all__`` is listed by ``dir`` and is what its home module calls so."""
    value = getattr(django_plugin_system, name)
    assert name in dir(django_plugin_system)
    homes = (attempts, clients, exceptions, helpers, plugin, register, tree)
    assert any(getattr(home, name, None) is value for home in homes)
    assert callable(value)
    assert value.__doc__


def test_other_names_are_attribute_errors() -> None:
    """A name that is not there says so as any module does."""
    with pytest.raises(AttributeError, match="module 'django_plugin_system' has no attribute 'get_plugins_'"):
        _ = django_plugin_system.get_plugins_


def test_the_1_1_0_path_of_the_registration_dicts() -> None:
    """``storage`` hands on the two typed dicts."""
    assert storage.PluginTypeRegistry is registry.PluginTypeRegistry
    assert storage.PluginItemRegistry is registry.PluginItemRegistry


def test_the_package_can_be_imported_without_settings() -> None:
    """Importing the package, its version and its errors touches neither settings nor models."""
    code = "import django_plugin_system as d; d.__version__, d.PluginSystemError, d.ConfigurablePlugin"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""}, timeout=60)
