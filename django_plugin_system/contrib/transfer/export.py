"""Take instances out of a database, without their secrets: redacted, or as references to the environment."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from django.db import connections, router
from django.db.models import Q, QuerySet
from django.db.models.functions import Collate
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.conf import get_settings
from django_plugin_system.config.backends import ENV
from django_plugin_system.config.json_tree import INSIDE, is_deep, replace_json, walk_json
from django_plugin_system.config.references import is_listed, read_reference
from django_plugin_system.config.tokens import Sealed, is_marker
from django_plugin_system.config.undeclared import drop, find_undeclared, is_below
from django_plugin_system.contrib.transfer.document import VALUES, Entry, Problem, seal_for_document
from django_plugin_system.exceptions import ConfigError, NewerConfigVersion, Path, UnresolvedReference, show_path
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rows.config import make_current, open_row
from django_plugin_system.rows.reasons import describe_config_error
from django_plugin_system.schema.tree import Node, Step, get_tree
from django_plugin_system.schema.values import find_secrets, reach

if TYPE_CHECKING:
    from django_plugin_system.config.opened import Opened

Secrets = Literal["redacted", "env", "encrypted"]
"""What stands for a secret: that it was left out, a reference to an environment variable, or itself, encrypted."""
PAGE = 2000
"""How many rows are read at once. For each page, a database that sorts by rules of its own looks at all rows."""
_TOLD_APART = re.compile("_[0-9A-F]{32}$")
_BY_BYTES = {"postgresql": "C", "sqlite": "BINARY"}
"""The collation that compares text by its bytes; by default, databases have rules of their own."""


@dataclass
class Export:
    """What is exported. ``entries`` are read as they are iterated over, once; the rest is complete after that."""

    total: int
    """How many instances there were at the start."""
    entries: Iterator[Entry] = field(default_factory=lambda: iter(()))
    """In the order of the names."""
    written: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The rows whose config could not be read."""
    variables: set[str] = field(default_factory=set)
    """The environment variables that the references of the export name."""


def export_instances(
    using: str | None = None,
    *,
    types: Sequence[str] = (),
    items: Sequence[str] = (),
    names: Sequence[str] = (),
    secrets: Secrets = "redacted",
) -> Export:
    """Return the instances of a database as entries of a document. No secret is in them, whatever is asked for.

    Where names are given, of types, items or instances, only those are exported. They are read a page at a time.
    Whoever renames a row meanwhile may find it under both names.
    """
    using = using or router.db_for_read(PluginInstance)
    rows = _keep(PluginInstance.objects.using(using), name=names)
    sources: Iterable[PluginItem] = _keep(
        PluginItem.objects.using(using).select_related("plugin_type"), plugin_type__name=types, name=items
    )
    sources = sorted(sources, key=lambda item: (*item.plugin_type.key, item.name, item.module))
    export = Export(rows.filter(item__in=sources).count())
    if secrets == "env":
        export.entries = _iter_referring(rows, sources, export)
    elif secrets == "encrypted":
        export.entries = (
            _fill(one, seal_for_document(item, one.key, held.version, held.config, held.secrets))
            for one, item, held in _iter_entries(rows, sources, export)
        )
    else:
        export.entries = (one for one, _item, _held in _iter_entries(rows, sources, export))
    return export


def _keep(rows: Any, **names: Sequence[str]) -> Any:
    """Keep the rows that have one of the names in each column where names are given."""
    return rows.filter(**{f"{column}__in": wanted for column, wanted in names.items() if wanted})


def _iter_entries(
    rows: QuerySet[PluginInstance], items: Iterable[PluginItem], export: Export
) -> Iterator[tuple[Entry, PluginItem, Snapshot]]:
    """Yield an entry for each row, with what the row holds; note which cannot be read."""
    for item in items:
        for row in _iter_rows(rows, item):
            snapshot = take_snapshot(row)
            entry = make_entry(row, snapshot)
            if snapshot.reason is not None:
                export.problems.append(Problem(str(entry), snapshot.reason))
            export.written += 1
            yield entry, item, snapshot


def _iter_rows(rows: QuerySet[PluginInstance], item: PluginItem) -> Iterator[PluginInstance]:
    """Yield the rows of an item by name, a page at a time: no statement stays open, so no writer has to wait."""
    collation = _BY_BYTES[connections[rows.db].vendor]
    named = rows.filter(item=item).alias(_name=Collate("name", collation), _scope=Collate("scope", collation))
    ordered = named.order_by("_name", "_scope")
    page = list(ordered[:PAGE])
    while page:
        for row in page:
            row.item = item
            yield row
        last = page[-1]
        following = Q(_name__gt=last.name) | Q(_name=last.name, _scope__gt=last.scope)
        page = list(ordered.filter(following)[:PAGE]) if len(page) == PAGE else []


def make_entry(row: PluginInstance, snapshot: Snapshot) -> Entry:
    """Return the entry of ``row``, of which ``snapshot`` was taken."""
    item = row.item
    values: dict[str, Any] = {"config_version": snapshot.version, "config": snapshot.config, **snapshot.columns}
    values |= {"manager": item.plugin_type.manager, "item": item.name, "module": item.module, "name": row.name}
    values["scope"] = row.scope
    return Entry.model_construct(type=item.plugin_type.name, **values)


# References in the place of secrets


def _iter_referring(rows: QuerySet[PluginInstance], items: Iterable[PluginItem], export: Export) -> Iterator[Entry]:
    """Yield the entries with a reference for each secret, after a look at all of them: no two may be the same."""
    found = _iter_entries(rows, items, Export(0))
    used = Counter(make_name(entry, path) for entry, _item, held in found for path in held.secret_paths)
    for entry, _item, held in _iter_entries(rows, items, export):
        references = {path: {ENV: make_name(entry, path, used)} for path in held.secret_paths}
        export.variables.update(reference[ENV] for reference in references.values())
        yield _fill(entry, references)


def _fill(entry: Entry, secrets: Mapping[Path, dict[str, str]]) -> Entry:
    """Return ``entry`` with what stands for each of its ``secrets``; others stay left out."""
    return entry.model_copy(update={"config": substitute(entry.config, lambda path: secrets.get(path, keep(path)))})


def make_name(entry: Entry, path: Path, used: Mapping[str, int] = MappingProxyType({})) -> str:
    """Return the variable for a secret: ``SMS_TWILIO_TRANSACTIONAL_AUTH_TOKEN``, the same at every export.

    A name that is ``used`` more than once, or looks so, is followed by a digest of the place alone.
    """
    words = filter(None, map(_to_word, (entry.type, entry.item, entry.scope, entry.name, *path)))
    name = _make_listed("_".join(words))
    if used.get(name, 1) == 1 and not _TOLD_APART.search(name):
        return name
    place = json.dumps([entry.type, entry.manager, entry.item, entry.module, entry.scope, entry.name, *path])
    return f"{name}_{sha256(place.encode()).hexdigest()[:32].upper()}"


def _to_word(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_")


def _make_listed(name: str) -> str:
    """Return ``name``, behind the first prefix that references may have unless the settings list it as it is."""
    name = f"_{name}" if not name or name[0].isdigit() else name
    prefixes = [entry[:-1] for entry in get_settings().ENV_REFERENCES if entry.endswith("*")]
    return name if is_listed(name) or not prefixes else f"{prefixes[0]}{name}"


# A configuration without its secrets


REDACTED = "$redacted"
"""``{"$redacted": true}`` stands for a value that was left out; it says: keep what is stored there."""


@dataclass(frozen=True)
class Snapshot:
    """A row's configuration at one moment, without its secrets."""

    config: dict[str, Any]
    version: int
    secret_paths: frozenset[Path] = frozenset()
    reason: str | None = None
    """Why it is only what was stored, if it cannot be read."""
    stored: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """With its secrets, as the class stores it today; as the row holds it where that cannot be read."""
    secrets: Mapping[Path, Sealed] = field(default_factory=dict, repr=False)
    """The secrets in it, in the clear; none where one of them cannot be read."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    """What else is exported of the row."""


def keep(_path: Path) -> dict[str, bool]:
    """Return what says: keep what is stored here."""
    return {REDACTED: True}


def claims_kept(value: object) -> bool:
    """Say whether ``value`` is meant to stand for one that was left out (it may be malformed)."""
    return isinstance(value, dict) and REDACTED in value


@sensitive_variables()
def take_snapshot(row: PluginInstance, *, as_stored: bool = False) -> Snapshot:
    """Return what ``row`` holds now; ``as_stored``, that takes no look at what its class would make of it.

    A config that cannot be read is given as it is stored, with everything left out that is, or may be, a secret.
    """
    columns = {name: getattr(row, name) for name in VALUES}
    if not isinstance(row.config, dict) or is_deep(row.config):
        reason = "what is stored is no object, or nested too deeply: left out"
        return Snapshot({}, row.config_version, reason=reason, columns=columns)
    opened, plain, why = _open(row, as_stored=as_stored)
    config, hidden, taken = _redact(opened.stored, plain)
    if taken and why is None:
        places = ", ".join(map(show_path, sorted(taken)))
        why = f"{places}: {REDACTED} is a key of documents, so what stands there is left out"
    secrets = {} if opened.failures else opened.tokens
    return Snapshot(config, opened.place.version, frozenset(hidden), why, dict(opened.stored), secrets, columns)


def _open(row: PluginInstance, *, as_stored: bool) -> tuple[Opened, set[Path], str | None]:
    """Return what is exported of ``row``, which plain values of it may be secrets, and why it is only as stored."""
    declared, schema, why = row.item.declared, row.item.config_schema, None
    try:
        if as_stored:
            return _leave_out_undeclared(open_row(row), schema), set(), None
        if declared is None or schema is not None:  # without its class, this says so
            opened, current = make_current(row)
            return opened if row.is_untouched else _leave_out_undeclared(current, schema), set(), None
    except ConfigError as error:
        plain = {*find_plain(schema, row.config)}
        if not isinstance(error, UnresolvedReference):  # then nothing is wrong with what is stored
            why = describe_config_error(error)
        if not isinstance(error, NewerConfigVersion):
            plain |= _find_undeclared(get_tree(schema), row.config)
        return open_row(row), plain, why
    return open_row(row), set(), "its class takes no configuration any more" if row.config else None


def _leave_out_undeclared(opened: Opened, schema: Any) -> Opened:
    """Return ``opened`` without what newer code stored beside: it may be a secret, and an import carries it along."""
    paths = {*find_undeclared((get_tree(schema),), opened.data, opened.tokens)}
    tokens = {path: sealed for path, sealed in opened.tokens.items() if not is_below(path, paths)}
    return replace(opened, stored=drop(opened.stored, paths), data=drop(opened.data, paths), tokens=tokens)


def _redact(stored: Any, plain: Container[Path]) -> tuple[Any, set[Path], set[Path]]:
    """Return ``stored`` without what is encrypted or ``plain``; where that was; where something looks so already."""
    hidden: set[Path] = set()
    taken: set[Path] = set()

    def replace_secret(path: Path, value: Any) -> Any:
        is_written = not isinstance(value, float) or math.isfinite(value)  # raw SQL left what no document can say
        if is_written and not is_marker(value) and path not in plain and not claims_kept(value):
            return INSIDE
        (taken if claims_kept(value) else hidden).add(path)
        return keep(path)

    return replace_json(stored, replace_secret), hidden, taken


def find_plain(schema: Any, config: Any) -> dict[Path, Any]:
    """Return what ``config``, data of the type ``schema``, has of its own at the places of secrets."""

    def is_none_or_no_value(value: Any) -> bool:
        return value is None or claims_kept(value) or is_marker(value) or read_reference(value) is not None

    return dict(find_secrets(get_tree(schema), config, skip=is_none_or_no_value))


def _find_undeclared(node: Node, config: Any) -> set[Path]:
    """Return where ``config``, which cannot be read, has a value that ``node``, which holds a secret, says nothing of.

    It may be a secret that is stored in plain text under a former name, or in a former form.
    """
    declared = {*_find_declared(node, config)}
    return {
        path
        for path, value in walk_json(config, lambda _path, value: read_reference(value) is None)
        if value is not None and not isinstance(value, (dict, list))
        if declared.isdisjoint(path[:end] for end in range(len(path) + 1))
    }


def _find_declared(node: Node, data: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the places in ``data`` for which ``node`` declares a type that holds no secret."""
    if not node.holds_secret:
        yield path
    elif not node.is_secret:
        for part in node.parts:
            if part.node.holds_secret or part.step not in (Step.KEY, Step.MEMBER):
                for key, item in reach(node, part, data):
                    yield from _find_declared(part.node, item, (*path, *key))


def substitute(value: Any, make: Callable[[Path], Any]) -> Any:
    """Return a copy of ``value`` with each ``{"$redacted": ...}`` replaced by what ``make`` returns for its path."""
    return replace_json(value, lambda path, inner: make(path) if claims_kept(inner) else INSIDE)
