"""A row's configuration without its secrets: what may leave the database, and what a diff may show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.declared import Inner, Step, holds_secret, is_secret_type, iter_inner
from django_plugin_system.config.parts import map_json
from django_plugin_system.config.references import is_deep, read_reference
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.exceptions import ConfigError, Path, UnresolvedReference, show_path
from django_plugin_system.rows.config import make_current
from django_plugin_system.rows.reasons import describe_config_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_plugin_system.models import PluginInstance

KEPT = "$redacted"
"""``{"$redacted": true}`` stands for a value that was left out; it says: keep what is stored there."""

Redact = Callable[[Path], Any]
"""Returns what stands in a document for the value at a path."""


class Redacted(NamedTuple):
    """A configuration without its secrets. ``reason`` says why it is only what was stored, if it cannot be read."""

    config: dict[str, Any]
    version: int
    secret_paths: frozenset[Path]
    reason: str | None = None


def keep(_path: Path) -> dict[str, bool]:
    """Return what says: keep what is stored here."""
    return {KEPT: True}


def claims_kept(value: object) -> bool:
    """Say whether ``value`` is meant to stand for one that was left out (it may be malformed)."""
    return isinstance(value, dict) and KEPT in value


@dataclass
class _Found:
    """Where values were left out, and where something looks so already."""

    secrets: set[Path] = field(default_factory=set)
    odd: set[Path] = field(default_factory=set)

    def get_reason(self) -> str | None:
        """Return what is to be said about the odd ones."""
        places = ", ".join(map(show_path, sorted(self.odd)))
        return f"{places}: {KEPT} is a key of documents, so what stands there is left out" if places else None


@dataclass(frozen=True)
class Snapshot:
    """What a row holds at one moment: without its secrets, and as its class stores it today."""

    redacted: Redacted
    stored: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """In today's form; as the row holds it where that cannot be read."""


@sensitive_variables()
def take_snapshot(row: PluginInstance) -> Snapshot:
    """Return what ``row`` holds now.

    A config that cannot be read is given as it is stored, with everything left out that is, or may be, a secret.
    """
    reason: str | None = None
    if not isinstance(row.config, dict) or is_deep(row.config):
        reason = "what is stored is no object, or nested too deeply: left out"
        return Snapshot(Redacted({}, row.config_version, frozenset(), reason))
    found = _Found()
    stored, version = row.config, row.config_version
    schema = row.item.config_schema
    try:
        if schema is not None or row.item.plugin_class is None:
            current = make_current(row)
            stored, version = (stored, version) if row.is_untouched else current
    except UnresolvedReference:  # nothing is wrong with what is stored
        config = _cover(schema, _replace(stored, (), found), (), found)
    except ConfigError as error:
        config = _cover(schema, _replace(stored, (), found), (), found)
        reason = describe_config_error(error)
    else:
        config = _replace(stored, (), found)
        reason = "its class takes no configuration any more" if schema is None and stored else None
    return Snapshot(Redacted(config, version, frozenset(found.secrets), reason or found.get_reason()), dict(stored))


def _replace(value: Any, path: Path, found: _Found) -> Any:
    """Return ``value`` without what is encrypted and what looks like left out."""
    if is_marker(value):
        found.secrets.add(path)
        return keep(path)
    if claims_kept(value):
        found.odd.add(path)
        return keep(path)
    return map_json(value, lambda key, item: _replace(item, (*path, key), found))


def _cover(annotation: Any, value: Any, path: Path, found: _Found) -> Any:
    """Return ``value`` without anything that may stand at the place of a secret of the type ``annotation``."""
    if value is None or claims_kept(value) or read_reference(value) or not holds_secret(annotation):
        return value
    if is_secret_type(annotation):
        found.secrets.add(path)
        return keep(path)
    for inner in iter_inner(annotation):
        value = _cover_inner(inner, value, path, found)
    return value


def find_plain(schema: Any, config: Any) -> set[Path]:
    """Return where ``config``, data of the type ``schema``, has a value of its own at the place of a secret."""
    found = _Found()
    _cover(schema, config, (), found)
    return found.secrets


def _cover_inner(inner: Inner, value: Any, path: Path, found: _Found) -> Any:
    if inner.step is Step.SAME:
        return _cover(inner.annotation, value, path, found)

    def cover(key: str, item: Any) -> Any:
        return _cover(inner.annotation, item, (*path, key), found) if _leads_to(inner, key) else item

    return map_json(value, cover)


def _leads_to(inner: Inner, key: str) -> bool:
    """Say whether ``inner`` may be what stands at ``key``."""
    if inner.step in (Step.FIELD, Step.EXTRA):
        return (key in inner.names) == (inner.step is Step.FIELD)
    return True


def substitute(value: Any, make: Redact, path: Path = ()) -> Any:
    """Return a copy of ``value`` with each ``{"$redacted": ...}`` replaced by what ``make`` returns for its path."""
    if claims_kept(value):
        return make(path)
    return map_json(value, lambda key, item: substitute(item, make, (*path, key)))
