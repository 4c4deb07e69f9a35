"""Keeps a test run from building real plugins: ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]``, and the way through."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidSetting, PluginBlocked

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Guard:
    """Whether the setting is on (``armed``), and which classes may be built all the same."""

    armed: bool = False
    allowed: list[tuple[type, ...]] = field(default_factory=list)

    def arm(self) -> None:
        """Take over the setting; one that cannot be read is a system check's business."""
        try:
            self.armed = get_settings().BLOCK_IN_TESTS
        except InvalidSetting:
            self.armed = False

    def check(self, plugin_class: type) -> None:
        """Let ``plugin_class`` be built, or not.

        :raises PluginBlocked: in a test run, unless the class is allowed.
        """
        if is_test_run() and not any(issubclass(plugin_class, classes) for classes in self.allowed):
            raise PluginBlocked(plugin_class)

    def build(self, plugin_class: type) -> object:
        """Return ``plugin_class()``.

        :raises PluginBlocked: as ``check`` does.
        """
        self.check(plugin_class)
        return plugin_class()

    @contextmanager
    def allow(self, *classes: type) -> Iterator[None]:
        """Let subclasses of ``classes`` be built inside the block, by all threads; all classes if none is named."""
        entry = classes or (object,)
        self.allowed.append(entry)
        try:
            yield
        finally:
            self.allowed.remove(entry)


def is_test_run() -> bool:
    """Say whether a test runner has set Django up for tests: ``manage.py test``, pytest-django and others do."""
    utils = sys.modules.get("django.test.utils")  # never imported for the sake of this question
    return hasattr(getattr(utils, "_TestState", None), "saved_data")


guard = Guard()
"""The guard of this process."""
