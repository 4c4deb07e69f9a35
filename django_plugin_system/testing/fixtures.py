"""Fixtures: put ``pytest_plugins = ["django_plugin_system.testing.fixtures"]`` into the project's top conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import Unpack

from django_plugin_system import testing

if TYPE_CHECKING:
    from django_plugin_system.registry import Registry


@pytest.fixture
def override_plugin() -> Iterator[Callable[..., None]]:
    """Return a function that puts a fake in the place of plugins until the end of the test.

    It takes what ``django_plugin_system.testing.override_plugin`` takes.
    """
    with ExitStack() as stack:

        def override(*args: Any, **wanted: Unpack[testing.Wanted]) -> None:
            stack.enter_context(testing.override_plugin(*args, **wanted))

        yield override


@pytest.fixture
def temporary_registry() -> Iterator[Registry]:
    """Return the registry; what the test registers is gone after it."""
    with testing.temporary_registry() as registry:
        yield registry


@pytest.fixture
def allow_plugins() -> Iterator[None]:
    """Let real plugins be built in this test, although ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]`` is on."""
    with testing.allow_plugins():
        yield
