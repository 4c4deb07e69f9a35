"""Take instances out of a database, without their secrets: redacted, or as references to the environment."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from django.db import router
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.conf import get_settings
from django_plugin_system.config.declared import Inner, Step, holds_secret, is_secret_type, iter_inner
from django_plugin_system.config.parts import map_json
from django_plugin_system.config.references import ENV, is_deep, read_reference
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.contrib.transfer.document import VALUES, Entry, Problem
from django_plugin_system.exceptions import ConfigError, Path, UnresolvedReference, show_path
from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.config import make_current
from django_plugin_system.rows.reasons import describe_config_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.db.models import QuerySet


Secrets = Literal["redacted", "env"]
"""What stands for a secret: that it was left out, or a reference to an environment variable."""


@dataclass(frozen=True)
class Selection:
    """Which instances to export: those that have one of the names, where names are given."""

    types: Sequence[str] = ()
    items: Sequence[str] = ()
    names: Sequence[str] = ()


@dataclass
class Export:
    """What was exported, in the order of the names. ``problems`` are rows whose config could not be read."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    """The environment variables that the references of the export name, sorted."""


@sensitive_variables()
def export_instances(
    using: str | None = None, *, selection: Selection | None = None, secrets: Secrets = "redacted"
) -> Export:
    """Return the instances of a database as entries of a document. No secret is in them, whatever is asked for."""
    export = Export()
    found: list[tuple[Entry, Redacted]] = []
    for row in _find_rows(using or router.db_for_read(PluginInstance), selection or Selection()):
        redacted = take_snapshot(row).redacted
        found.append((make_entry(row, redacted), redacted))
    found.sort(key=lambda pair: _get_key(pair[0]))  # databases sort text by rules of their own
    reasons = ((entry, redacted.reason) for entry, redacted in found)
    export.problems = [Problem(str(entry), reason) for entry, reason in reasons if reason is not None]
    export.entries = [entry for entry, _redacted in found] if secrets == "redacted" else _refer(found, export)
    return export


def _find_rows(using: str, selection: Selection) -> QuerySet[PluginInstance]:
    wanted = {
        "item__plugin_type__name__in": selection.types,
        "item__name__in": selection.items,
        "name__in": selection.names,
    }
    rows = PluginInstance.objects.using(using).select_related("item__plugin_type")
    return rows.filter(**{column: names for column, names in wanted.items() if names})


def _get_key(entry: Entry) -> tuple[str, ...]:
    return (entry.type, entry.manager or "", entry.item, entry.module or "", entry.name)


def make_entry(row: PluginInstance, redacted: Redacted) -> Entry:
    """Return the entry of ``row``, whose configuration was ``redacted``."""
    plugin_type = row.item.plugin_type
    return Entry(
        type=plugin_type.name,
        manager=plugin_type.manager,
        item=row.item.name,
        module=row.item.module,
        name=row.name,
        values={name: getattr(row, name) for name in VALUES},
        config=redacted.config,
        config_version=redacted.version,
    )


def _refer(found: list[tuple[Entry, Redacted]], export: Export) -> list[Entry]:
    names = name_variables((entry, path) for entry, redacted in found for path in sorted(redacted.secret_paths))
    export.variables = sorted(names.values())

    def put(entry: Entry) -> Entry:
        def refer(path: Path) -> Any:
            name = names.get((str(entry), path))
            return keep(path) if name is None else {ENV: name}

        return replace(entry, config=substitute(entry.config, refer))

    return [put(entry) for entry, _redacted in found]


REDACTED = "$redacted"
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
    return {REDACTED: True}


def claims_kept(value: object) -> bool:
    """Say whether ``value`` is meant to stand for one that was left out (it may be malformed)."""
    return isinstance(value, dict) and REDACTED in value


@dataclass
class _Found:
    """Where values were left out, and where something looks so already."""

    secrets: set[Path] = field(default_factory=set)
    odd: set[Path] = field(default_factory=set)

    def get_reason(self) -> str | None:
        """Return what is to be said about the odd ones."""
        places = ", ".join(map(show_path, sorted(self.odd)))
        return f"{places}: {REDACTED} is a key of documents, so what stands there is left out" if places else None


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


Place = tuple["Entry", "Path"]
"""A secret of an instance."""
_DIGEST_LENGTHS = (0, 8, 64)
"""How much of its digest a name gets: more, the longer another one is the same."""


def name_variables(places: Iterable[Place]) -> dict[tuple[str, Path], str]:
    """Return a variable for each secret, by ``str()`` of its entry and its path; no two have the same.

    Names that would be the same get a digest each, which does not depend on the others.
    """
    names: dict[tuple[str, Path], str] = {}
    open_places = {(str(entry), path): (entry, path) for entry, path in places}
    for length in _DIGEST_LENGTHS:
        names |= {key: _make_name(*place, length) for key, place in open_places.items()}
        used = Counter(names.values())
        open_places = {key: place for key, place in open_places.items() if used[names[key]] > 1}
    return names


def _make_name(entry: Entry, path: Path, length: int) -> str:
    words = [*map(_to_word, (entry.type, entry.item, entry.name, *path)), _make_digest(entry, path)[:length]]
    name = "_".join(filter(None, words))
    return _make_listed(f"_{name}" if not name or name[0].isdigit() else name)


def _to_word(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_")


def _make_digest(entry: Entry, path: Path) -> str:
    key = [entry.type, entry.manager, entry.item, entry.module, entry.name, *path]
    return sha256(json.dumps(key).encode()).hexdigest().upper()


def _make_listed(name: str) -> str:
    """Return ``name``, behind the first prefix that references may have unless the settings list it as it is."""
    prefixes = [entry[:-1] for entry in get_settings().ENV_REFERENCES if entry.endswith("*")]
    return name if is_listed(name) or not prefixes else f"{prefixes[0]}{name}"


def is_listed(name: str) -> bool:
    """Say whether the settings let a reference name this variable."""
    allowed = get_settings().ENV_REFERENCES
    return any(name.startswith(entry[:-1]) if entry.endswith("*") else name == entry for entry in allowed)
