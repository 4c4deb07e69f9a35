"""Fixtures: rows whose secrets an old key encrypted, and a new key to rotate to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.rotation.running import NEW, OLD
from tests.support.plugins import SECRET
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.models import PluginInstance, PluginItem


@pytest.fixture
def rows(provider: PluginItem, settings: Settings) -> list[PluginInstance]:
    """Return five rows with an old key's secrets, in the order of their ids; a new key is the first one by now."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD]}
    config = {"account": "AC1", "token": SECRET, "spare": [f"{SECRET}-1", f"{SECRET}-2"]}
    made = [add_instance(f"row-{number}", provider, config=config) for number in range(5)]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    return [reload(row) for row in sorted(made, key=lambda row: row.pk)]
