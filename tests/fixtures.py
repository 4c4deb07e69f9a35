"""Fixtures of every room: a registry of the test's own, rows of what it declares, another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_plugin_system.registry import Registry, temporary_registry
from django_plugin_system.selection import health, notes
from django_plugin_system.selection.cache import forget_selections
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support import errands
from tests.support.plugins import ConsoleSms, FragileSms, LenientSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance, get_item
from tests.support.worker import Worker, running_worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginItem


@pytest.fixture(autouse=True)
def declared() -> Iterator[Registry]:
    """Start each test from an empty registry, and from a process that has selected nothing yet."""
    with temporary_registry(empty=True) as registry:
        forget_selections()
        notes._waiting.clear()  # noqa: SLF001 - what an earlier test's broken database left
        health._claims.clear()  # noqa: SLF001 - likewise
        yield registry


@pytest.fixture(scope="module")
def process(django_db_setup: None) -> Iterator[Worker]:
    """Start the other process once."""
    del django_db_setup
    with running_worker() as worker:
        yield worker


@pytest.fixture
def other(process: Worker, transactional_db: None) -> Worker:
    """Return the other process when both have selected the first of two rows."""
    del transactional_db
    errands.declare()
    sync_registered_plugins_to_db()
    add_instance("main", priority=1)
    add_instance("worse", priority=2)
    assert errands.choose() == process.ask("choose") == "provider/main/AC1"
    return process


@pytest.fixture
def provider(db: None) -> PluginItem:
    """Return the row of the one registered item, which needs a configuration; there is no instance."""
    del db
    declare_type()
    declare_item(ProviderSms)
    sync_registered_plugins_to_db()
    return get_item()


@pytest.fixture
def all_kinds(provider: PluginItem) -> dict[str, PluginItem]:
    """Return an item of each kind by name; those that need no configuration have their default instance."""
    FragileSms.fails = True
    declare_item(ConsoleSms, "console", priority=1)
    declare_item(LenientSms, "lenient", priority=2)
    declare_item(FragileSms, "fragile", priority=3)
    sync_registered_plugins_to_db()
    return {"provider": provider, **{name: get_item(name) for name in ("console", "lenient", "fragile")}}
