"""Every unit test starts from an empty registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_plugin_system.registry import Registry, temporary_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def registry() -> Iterator[Registry]:
    """Return the registry, empty for this test."""
    with temporary_registry(empty=True) as empty:
        yield empty
