"""Errors that only tests meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_plugin_system.exceptions.root import PluginSystemError

if TYPE_CHECKING:
    from collections.abc import Sequence


class PluginBlocked(PluginSystemError, AssertionError):
    """A test was about to build a real plugin, which ``PLUGIN_SYSTEM["BLOCK_IN_TESTS"]`` forbids."""

    def __init__(self, plugin_class: type) -> None:
        """Name the class."""
        name = plugin_class.__qualname__
        super().__init__(
            f"A test may not build {name}: PLUGIN_SYSTEM['BLOCK_IN_TESTS'] is on. Put a fake in its place with "
            f"override_plugin(), or let it through with allow_plugins({name}): see django_plugin_system.testing."
        )
        self.plugin_class = plugin_class


class ContractBroken(PluginSystemError, AssertionError):
    """A plugin class does not keep the contract of plugins; ``problems`` lists all that ``check_contract`` found."""

    def __init__(self, plugin_class: type, problems: Sequence[str]) -> None:
        """Name the class, and list the ``problems``."""
        lines = "".join(f"\n- {problem}" for problem in problems)
        super().__init__(f"{plugin_class.__qualname__} does not keep the contract of plugins:{lines}")
        self.plugin_class = plugin_class
        self.problems = tuple(problems)
