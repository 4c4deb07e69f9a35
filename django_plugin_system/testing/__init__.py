"""For tests: put fakes in the place of plugins, keep real ones away, check plugin classes. Needs no pytest.

Fixtures for pytest are in ``django_plugin_system.testing.fixtures``.
"""

from django_plugin_system.testing.contract import check_contract
from django_plugin_system.testing.switches import allow_plugins, override_plugin, temporary_registry

__all__ = ["allow_plugins", "check_contract", "override_plugin", "temporary_registry"]
