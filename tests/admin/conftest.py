"""Fixtures of the admin tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_plugin_system.registry import temporary_registry
from tests.admin.checked import CheckedSms, declare_checked, pass_quietly
from tests.admin.sample import make_instance, make_rows, register_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginInstance, PluginItem


@pytest.fixture(autouse=True)
def sample_plugins() -> Iterator[None]:
    """Register the sample plugins for one test."""
    with temporary_registry(empty=True):
        register_sample()
        yield


@pytest.fixture
def items(db: None) -> dict[str, PluginItem]:
    """Return the item rows by name."""
    del db
    return make_rows()


@pytest.fixture
def instance(items: dict[str, PluginItem]) -> PluginInstance:
    """Return a stored instance with a secret."""
    return make_instance(items["twilio"])


@pytest.fixture
def checked(items: dict[str, PluginItem]) -> PluginInstance:
    """Return a stored instance of an item whose class has a ``check()``; it passes until a test wants otherwise."""
    CheckedSms.behave, CheckedSms.seen = pass_quietly, []
    return make_instance(declare_checked(items["twilio"].plugin_type))
