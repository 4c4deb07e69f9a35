"""Check all entries of a document against a database, and say what an import would do with each."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from django.views.decorators.debug import sensitive_variables
from pydantic import SecretStr

from django_plugin_system.config.bound import look_up
from django_plugin_system.config.parts import iter_json, map_json
from django_plugin_system.config.tokens import MARKER, is_marker
from django_plugin_system.config.versions import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.config.walk import is_same
from django_plugin_system.contrib.transfer.document import VALUES, Problem, show_name
from django_plugin_system.contrib.transfer.export import (
    REDACTED,
    claims_kept,
    find_plain,
    keep,
    substitute,
    take_snapshot,
)
from django_plugin_system.exceptions import (
    ConfigError,
    FieldProblem,
    InvalidConfig,
    Path,
    SecretError,
    UnresolvedReference,
    show_path,
)
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.registry import registry
from django_plugin_system.rows.config import open_row_secrets, require_declared
from django_plugin_system.rows.fields import to_text

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from django_plugin_system.contrib.transfer.document import Entry
    from django_plugin_system.contrib.transfer.export import Snapshot

Existing = Literal["fail", "skip", "update"]
"""What is done with an instance that is there already, and differs from its entry."""
Action = Literal["create", "update", "skip", "refuse", "unchanged"]


@dataclass
class Change:
    """What an import does with one entry. ``row`` is as it would be saved."""

    entry: Entry
    row: PluginInstance = field(repr=False)
    action: Action
    differences: list[Difference]
    columns: list[str] = field(default_factory=list)
    """What is written of a row that is there."""


@dataclass
class Plan:
    """What an import does; nothing, if there are ``problems``."""

    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    plain_secrets: int = 0
    """How many secrets stand in the document in plain text."""

    def count(self) -> Counter[str]:
        """Return how many entries there are by what is done with them."""
        return Counter(change.action for change in self.changes)


@sensitive_variables()
def make_plan(entries: Sequence[Entry], using: str, existing: Existing, *, lock: bool = False) -> Plan:
    """Return what an import of ``entries`` into the database ``using`` would do. Nothing is written.

    ``lock`` keeps the rows from being changed until the transaction ends.
    """
    plan = Plan()
    placed = _place(entries, Items(using), plan)
    rows = _find_rows([item for _entry, item in placed], using, lock=lock)
    seen: set[tuple[uuid.UUID, str]] = set()
    for entry, item in placed:
        key = (item.pk, entry.name)
        if key in seen:
            plan.problems.append(Problem(str(entry), "stands twice in the document"))
            continue
        seen.add(key)
        plan.plain_secrets += len(find_plain(item.config_schema, entry.config))
        _plan_entry(plan, entry, rows.get(key), item, existing)
    return plan


def _place(entries: Sequence[Entry], items: Items, plan: Plan) -> list[tuple[Entry, PluginItem]]:
    placed = []
    for entry in entries:
        found = items.find(entry)
        if isinstance(found, str):
            plan.problems.append(Problem(str(entry), found))
        else:
            placed.append((entry, found))
    return placed


def _find_rows(items: Sequence[PluginItem], using: str, *, lock: bool) -> dict[tuple[uuid.UUID, str], PluginInstance]:
    known = {item.pk: item for item in items}
    rows = PluginInstance.objects.using(using).filter(item__in=known)
    found = {(row.item_id, row.name): row for row in (rows.select_for_update() if lock else rows)}
    for row in found.values():
        row.item = known[row.item_id]
    return found


def _plan_entry(plan: Plan, entry: Entry, row: PluginInstance | None, item: PluginItem, existing: Existing) -> None:
    if row is None:
        _plan_creation(plan, entry, PluginInstance(item=item, name=entry.name, **entry.values))
        return
    before = take_snapshot(row)
    in_columns = compare_columns(_get_values(row), entry.values)
    in_config: list[Difference] = []
    if entry.config is not None and not _says_the_same(entry, before):
        if not _fit(plan, entry, row, before):
            return
        in_config = compare_configs(row, before, take_snapshot(row))
    change = Change(entry, row, "unchanged", [*in_columns, *in_config])
    if change.differences:
        _plan_difference(plan, change, existing)
        change.columns = [*(name for name in VALUES if name in entry.values), *(["config"] if in_config else [])]
    plan.changes.append(change)


def _plan_creation(plan: Plan, entry: Entry, row: PluginInstance) -> None:
    if _fit(plan, entry, row, None):
        in_config = compare_configs(row, None, take_snapshot(row))
        plan.changes.append(Change(entry, row, "create", [*compare_columns(None, _get_values(row)), *in_config]))


def _get_values(row: PluginInstance) -> dict[str, Any]:
    return {name: getattr(row, name) for name in VALUES}


def _plan_difference(plan: Plan, change: Change, existing: Existing) -> None:
    if existing == "update":
        change.action = "update"
        for name, value in change.entry.values.items():
            setattr(change.row, name, value)
    elif existing == "skip":
        change.action = "skip"
    else:
        change.action = "refuse"
        names = ", ".join(difference.name for difference in change.differences if difference.text != KEPT)
        reason = f"is there already and differs in {names}: choose --existing update or --existing skip"
        plan.problems.append(Problem(str(change.entry), reason))


def _fit(plan: Plan, entry: Entry, row: PluginInstance, before: Snapshot | None) -> bool:
    """Put the config of ``entry`` into ``row``; say whether that was possible."""
    problems = fit_config(row, entry, before)
    plan.problems += [Problem(str(entry), f"{'.'.join(('config', *path))}: {text}") for path, text in problems]
    return not problems


def _says_the_same(entry: Entry, before: Snapshot) -> bool:
    """Say whether the entry gives the very config that is there, so that it stays as it is, even if unreadable."""
    version = before.redacted.version if entry.config_version is None else entry.config_version
    return version == before.redacted.version and to_text(entry.config) == to_text(before.redacted.config)


Name = tuple[str, str]
"""What a type or an item is called, and the app that owns it."""


class Items:
    """The items of a database by what entries call them."""

    def __init__(self, using: str) -> None:
        """Read them."""
        self._found: dict[tuple[str, str], list[PluginItem]] = {}
        self._types = {row.key for row in PluginType.objects.using(using)}
        for item in PluginItem.objects.using(using).select_related("plugin_type"):
            self._found.setdefault((item.plugin_type.name, item.name), []).append(item)

    def find(self, entry: Entry) -> PluginItem | str:
        """Return the item of ``entry``, or why there is none, or no single one."""
        fitting = [
            item
            for item in self._found.get((entry.type, entry.item), [])
            if _fits(item.plugin_type.key, (entry.type, entry.manager))
            and _fits((item.name, item.module), (entry.item, entry.module))
        ]
        if len(fitting) == 1:
            return fitting[0]
        return _describe_several(fitting) if fitting else self._describe_missing(entry)

    def _describe_missing(self, entry: Entry) -> str:
        wanted = (entry.type, entry.manager), (entry.item, entry.module)
        declared = {(key[2], key[:2]) for key in registry.items}
        if any(_fits(key, wanted[0]) and _fits(name, wanted[1]) for key, name in declared):
            return "the item is in the code, but not in the database yet: run manage.py pluginsync"
        types = self._types | set(registry.types)
        if not any(_fits(key, wanted[0]) for key in types):
            return f"there is no plugin type {show_name(*wanted[0])}{_suggest(wanted[0], types)}"
        stored = {(item.plugin_type.key, (item.name, item.module)) for items in self._found.values() for item in items}
        names = {name for key, name in declared | stored if _fits(key, wanted[0])}
        missing = f"plugin type {show_name(*wanted[0])} has no item {show_name(*wanted[1])}"
        return f"{missing}{_suggest(wanted[1], names)}"


def _fits(name: Name, wanted: tuple[str, str | None]) -> bool:
    return name[0] == wanted[0] and wanted[1] in {None, name[1]}


def _describe_several(items: list[PluginItem]) -> str:
    names = ", ".join(sorted(f"{item.plugin_type} / {item}" for item in items))
    return f"several items have these names; give manager and module: {names}"


def _suggest(wanted: tuple[str, str | None], names: Collection[Name]) -> str:
    """Return a question with the names that are near ``wanted``, or what to do where none is."""
    shown = {name: show_name(*name) for name in names}
    near = get_close_matches(show_name(*wanted), shown.values(), cutoff=0.5)
    near += [text for name, text in sorted(shown.items()) if get_close_matches(wanted[0], [name[0]])]
    near = list(dict.fromkeys(near))[:3]
    return f"; did you mean {' or '.join(near)}?" if near else ": is its app installed here?"


GIVE_IT = "give the value, or a reference to it"


@sensitive_variables()
def fit_config(row: PluginInstance, entry: Entry, before: Snapshot | None) -> list[FieldProblem]:
    """Put the config of ``entry`` into ``row``; return what is wrong with it instead, without its values.

    ``before`` is what ``row`` holds, without its secrets; None for a new row.
    """
    given = dict(entry.config or {})
    if misplaced := list(_find_misplaced(given, ())):
        return misplaced
    try:
        config = _upgrade(row, entry, given)
        source = _Source(before, config)
        filled = substitute(config, source.take)
        if not source.problems:
            row.set_config(filled)
    except ConfigError as error:
        return _describe(error)
    return source.problems


def _find_misplaced(value: Any, path: Path) -> Iterator[FieldProblem]:
    if is_marker(value):
        yield FieldProblem(path, f'"{MARKER}" is a stored secret, which opens nowhere else: {GIVE_IT}')
    elif claims_kept(value) and (value != {REDACTED: True} or value[REDACTED] is not True):
        yield FieldProblem(path, f'a value that was left out is written {{"{REDACTED}": true}}, and nothing beside it')
    else:
        for key, item in iter_json(value):
            yield from _find_misplaced(item, (*path, key))


def _describe(error: ConfigError) -> list[FieldProblem]:
    if isinstance(error, (InvalidConfig, UnresolvedReference)):
        return list(error.errors)
    if isinstance(error, SecretError):
        return [FieldProblem(error.path, str(error).removeprefix(f"{show_path(error.path)}: "))]
    return [FieldProblem((), str(error))]


# Older documents


class _LeftOut(SecretStr):
    """Stands for a value that was left out while a document is upgraded: a step may move it, but not look into it."""

    def __init__(self, path: Path, opened: list[Path]) -> None:
        """Stand at ``path``; ``opened`` collects where a step tried to look."""
        super().__init__("")
        self._path = path
        self._opened = opened

    def get_secret_value(self) -> str:
        """Note that the value is needed.

        :raises LookupError: always.
        """
        self._opened.append(self._path)
        raise LookupError

    def __deepcopy__(self, memo: dict[int, Any]) -> _LeftOut:
        return self


@sensitive_variables()
def _upgrade(row: PluginInstance, entry: Entry, given: dict[str, Any]) -> Any:
    """Return ``given`` in the form of the current version.

    :raises ConfigError: if the code is gone, or older than the document, or a step fails.
    """
    plugin_class, schema, known = require_declared(row)
    version = known if entry.config_version is None else entry.config_version
    if version > known:
        reason = f"is of config version {version}, this code knows {known}: deploy the newer code first"
        raise InvalidConfig(str(row), [FieldProblem((), reason)])
    if version == known:
        return given
    plain = {path: look_up(given, path)[0] for path in find_plain(schema, given)}
    opened: list[Path] = []
    wrapped = substitute(wrap_secrets(given, plain), lambda path: _LeftOut(path, opened))
    failure = upgraded = None
    try:
        upgraded = upgrade(plugin_class, wrapped, version, known)
    except ConfigError as error:
        failure = error
    if opened:
        reason = f"was left out, and an upgrade from version {version} has to look at it: {GIVE_IT}"
        raise InvalidConfig(str(row), [FieldProblem(path, reason) for path in opened])
    if failure is not None:
        raise failure
    return unwrap_secrets(_restore_left_out(upgraded, ()))[0]


def _restore_left_out(value: Any, path: Path) -> Any:
    """Return ``value`` with ``{"$redacted": true}`` wherever a step put what stands for a value that was left out."""
    if isinstance(value, _LeftOut):
        return keep(path)
    return map_json(value, lambda key, item: _restore_left_out(item, (*path, key)))


# What was left out


class _Source:
    """What a row holds, to be put where a document says that it was left out."""

    def __init__(self, before: Snapshot | None, config: Any) -> None:
        """Take what the row held ``before``; ``config`` is what the document gives."""
        self.problems: list[FieldProblem] = []
        self._before = before
        self._config = config
        self._stored = None if before is None else before.stored

    def take(self, path: Path) -> Any:
        """Return what is stored at ``path``; note a problem if there is nothing, or something else may be meant."""
        found = [] if self._before is None else look_up(self._stored, path)
        if not found:
            self.problems.append(FieldProblem(path, f"was left out, and there is nothing stored to keep: {GIVE_IT}"))
            return None
        if self._is_elsewhere(path):
            reason = "was left out, and its list was changed, so that it may belong to another item"
            self.problems.append(FieldProblem(path, f"{reason}: {GIVE_IT}"))
        return found[0]

    def _is_elsewhere(self, path: Path) -> bool:
        """Say whether the first list on the way to ``path`` lost items, or has another one there than is stored."""
        before = self._before.redacted.config if self._before is not None else None
        for length in range(len(path)):
            [ours], [theirs] = look_up(self._config, path[:length]), look_up(before, path[:length])
            if isinstance(ours, list):
                item = path[: length + 1]
                return len(ours) < len(theirs) or look_up(self._config, item) != look_up(before, item)
        return False


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
