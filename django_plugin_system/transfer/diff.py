"""What an import would change in a row: column by column, and value by value inside its configuration."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.parts import iter_json
from django_plugin_system.config.walk import is_same
from django_plugin_system.exceptions import Path, SecretError
from django_plugin_system.rows.config import open_row_secrets
from django_plugin_system.transfer.redaction import claims_kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django_plugin_system.models import PluginInstance
    from django_plugin_system.transfer.redaction import Snapshot

KEPT, SET, CHANGED = "kept", "set", "changed"
"""What happens to a secret."""
NOTHING = "nothing"
"""Stands where there is no value; one that is text stands in quotes."""
HIDDEN = "a secret"
"""Stands for a secret that goes."""


class Difference(NamedTuple):
    """One value: what it is, and what it was and will be, as text. Of a secret it only says what happens to it."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


def compare_columns(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[Difference]:
    """Return the columns in which a row changes; all of them for a new one."""
    if before is None:
        return [Difference(name, _show(value)) for name, value in after.items()]
    changed = [name for name, value in after.items() if before[name] != value]
    return [Difference(name, f"{_show(before[name])} -> {_show(after[name])}") for name in changed]


@sensitive_variables()
def compare_configs(row: PluginInstance, before: Snapshot | None, after: Snapshot) -> list[Difference]:
    """Return what changes in the configuration of ``row``; all of it for a new one.

    Secrets that stay are among it only where something else changes.
    """
    old = {} if before is None else dict(_flatten(before.redacted.config, ()))
    new = dict(_flatten(after.redacted.config, ()))
    fates = _find_fates(row, before, after)
    texts = {path: fates.get(path) or _show_change(old, new, path) for path in sorted({*old, *new})}
    found = [Difference(".".join(("config", *path)), text) for path, text in texts.items() if text]
    return found if any(difference.text != KEPT for difference in found) else []


def _find_fates(row: PluginInstance, before: Snapshot | None, after: Snapshot) -> dict[Path, str]:
    """Return what happens to each secret that there will be."""
    hidden = frozenset() if before is None else before.redacted.secret_paths
    old = {} if before is None else _open(row, before)
    new = _open(row, after)
    fates = {path: CHANGED if path in hidden else SET for path in after.redacted.secret_paths}
    return fates | {path: KEPT for path, secret in new.items() if path in old and is_same(old[path], secret)}


@sensitive_variables()
def _open(row: PluginInstance, snapshot: Snapshot) -> dict[Path, Any]:
    try:
        return open_row_secrets(row, snapshot.stored)
    except SecretError:
        return {}


def _show_change(old: Mapping[Path, Any], new: Mapping[Path, Any], path: Path) -> str | None:
    before, after = _show_at(old, path), _show_at(new, path)
    return None if before == after else f"{before} -> {after}" if before != NOTHING else after


def _show_at(values: Mapping[Path, Any], path: Path) -> str:
    if path not in values:
        return NOTHING
    return HIDDEN if claims_kept(values[path]) else _show(values[path])


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _flatten(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield each value that holds no other, with its path; an object of one key that starts with ``$`` is a value."""
    keys = [key for key, _item in iter_json(value)]
    if not keys or (isinstance(value, dict) and len(keys) == 1 and keys[0].startswith("$")):
        yield path, value
        return
    for key, item in iter_json(value):
        yield from _flatten(item, (*path, key))
