"""Bring a stored configuration to the version that the code knows, one ``migrate_config`` step at a time."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from pydantic import Secret, SecretBytes, SecretStr

from django_plugin_system.config.json_tree import INSIDE, MAX_DEPTH, is_deep, replace_json
from django_plugin_system.exceptions import ConfigMigrationFailed, Path
from django_plugin_system.schema.tree import SECRET_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping


def wrap_secrets(opened: Any, secrets: Mapping[Path, Any]) -> Any:
    """Return a copy of ``opened`` with ``secrets`` in pydantic's secret types, so that none shows by accident."""
    return replace_json(opened, lambda path, _value: _wrap(secrets[path]) if path in secrets else INSIDE)


def _wrap(plain: Any) -> Any:
    if isinstance(plain, str):
        return SecretStr(plain)
    return SecretBytes(plain) if isinstance(plain, bytes) else Secret[Any](plain)


def unwrap_secrets(wrapped: Any) -> tuple[Any, dict[Path, Any]]:
    """Return ``wrapped`` in the clear, and what was still secret in it by path."""
    secrets: dict[Path, Any] = {}

    def unwrap(value: Any, path: Path) -> Any:
        if isinstance(value, SECRET_TYPES):
            secrets[path] = value.get_secret_value()
            return secrets[path]
        if isinstance(value, dict):
            return {key: unwrap(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [unwrap(item, (*path, str(index))) for index, item in enumerate(value)]
        return value

    return unwrap(wrapped, ()), secrets


def upgrade(plugin_class: Any, config: Any, from_version: int, to_version: int) -> Any:
    """Return ``config`` after the steps from ``from_version`` to ``to_version``; the argument stays as it is.

    :raises ConfigMigrationFailed: if a step raises, returns no dict, or one without end.
    """
    step = getattr(plugin_class, "migrate_config", None)
    config = copy.deepcopy(config)
    for version in range(from_version, to_version if step else from_version):
        failure = None
        try:
            config = step(config, version)  # type: ignore[misc]
        except Exception as error:  # noqa: BLE001 - foreign code
            failure = type(error).__name__
        failure = failure or _find_fault(config)
        if failure is not None:
            raise ConfigMigrationFailed(plugin_class, version, failure)
    return config


def _find_fault(config: Any) -> str | None:
    if not isinstance(config, dict):
        return f"it returned {type(config).__name__}, not a dict"
    return f"it returned more than {MAX_DEPTH} levels of values in values" if is_deep(config) else None
