"""Check all entries of a document against a database, and say what an import would do with each."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import SecretStr

from django_plugin_system.config.json_tree import look_up, walk_json
from django_plugin_system.config.tokens import MARKER, is_marker
from django_plugin_system.config.versions import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.contrib.transfer.document import Problem, show_name
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
    show_path,
)
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.registry import registry
from django_plugin_system.rows.config import require_declared
from django_plugin_system.rows.fields import to_text
from django_plugin_system.rows.traceback_safety import Concealed
from django_plugin_system.schema.values import is_same

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Mapping, Sequence

    from django_plugin_system.contrib.transfer.document import Entry
    from django_plugin_system.contrib.transfer.export import Snapshot

Existing = Literal["fail", "skip", "update"]
"""What is done with an instance that is there already, and differs from its entry."""
Action = Literal["create", "update", "skip", "refuse", "unchanged"]
_ACTIONS: dict[Existing, Action] = {"fail": "refuse", "skip": "skip", "update": "update"}
BATCH = 500
"""How many entries are looked up at once."""
GIVE_IT = "give the value, or a reference to it"
KEPT = "kept"
"""What happens to a secret that stays."""


class Difference(NamedTuple):
    """One value: what it is, and what it was and will be, as text. Of a secret it only says what happens to it."""

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}"


@dataclass
class Change:
    """What an import does with one entry. ``row`` is as it would be saved."""

    entry: Entry
    row: PluginInstance = field(repr=False)
    action: Action
    differences: list[Difference]

    @property
    def in_config(self) -> bool:
        """Whether the configuration changes."""
        return any(difference.name.startswith("config") for difference in self.differences)


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

    def pick(self, action: Action) -> list[Change]:
        """Return the changes of one kind, in the order of the keys, in which rows are locked."""
        return sorted((one for one in self.changes if one.action == action), key=lambda change: change.row.pk)

    def add(self, entry: Entry, row: PluginInstance, existing: Existing) -> None:
        """Put down what is done with ``entry``, which is ``row`` in the database, or will be if that is new."""
        before = None if row._state.adding else take_snapshot(row)  # noqa: SLF001 - Django documents _state
        for name, value in entry.values.items():
            setattr(row, name, value)
        if before is None or ("config" in entry.model_fields_set and not _says_the_same(entry, before)):
            if problems := _fit_config(row, entry, before):
                texts = (f"{show_path(('config', *one.path))}: {one.message}" for one in problems)
                self.problems += [Problem(str(entry), text) for text in texts]
                return
            after = take_snapshot(row)
        else:
            after = replace(before, columns={**before.columns, **entry.values})
        differences = _compare(before, after)
        action: Action = "create" if before is None else "unchanged" if not differences else _ACTIONS[existing]
        if action == "refuse":
            names = ", ".join(difference.name for difference in differences if difference.text != KEPT)
            reason = f"is there already and differs in {names}: choose --existing update or --existing skip"
            self.problems.append(Problem(str(entry), reason))
        self.changes.append(Change(entry, row, action, differences))


def make_plan(entries: Sequence[Entry], using: str, existing: Existing) -> Plan:
    """Return what an import of ``entries`` into the database ``using`` would do. Nothing is written, nothing locked."""
    plan = Plan()
    items = _read_items(using)
    seen: set[tuple[uuid.UUID, str]] = set()
    for start in range(0, len(entries), BATCH):
        placed = [(entry, _find_item(items, entry)) for entry in entries[start : start + BATCH]]
        rows = _find_rows([(item, entry.name) for entry, item in placed if not isinstance(item, str)], using)
        for entry, item in placed:
            if isinstance(item, str):
                plan.problems.append(Problem(str(entry), item))
            elif (item.pk, entry.name) in seen:
                plan.problems.append(Problem(str(entry), "stands twice in the document"))
            else:
                seen.add((item.pk, entry.name))
                plan.plain_secrets += len(find_plain(item.config_schema, entry.config))
                row = rows.get((item.pk, entry.name)) or PluginInstance(name=entry.name, **entry.values)
                row.item = item
                plan.add(entry, row, existing)
    return plan


def _find_rows(keys: Sequence[tuple[PluginItem, str]], using: str) -> dict[tuple[uuid.UUID, str], PluginInstance]:
    items, names = {item for item, _name in keys}, {name for _item, name in keys}
    rows = PluginInstance.objects.using(using).filter(item__in=items, name__in=names)
    return {(row.item_id, row.name): row for row in rows}


# The item of an entry


def _read_items(using: str) -> dict[tuple[str, str], list[PluginItem]]:
    """Return the items of a database by the names of their types and their own."""
    found: dict[tuple[str, str], list[PluginItem]] = {}
    for item in PluginItem.objects.using(using).select_related("plugin_type"):
        found.setdefault((item.plugin_type.name, item.name), []).append(item)
    return found


def _find_item(items: Mapping[tuple[str, str], list[PluginItem]], entry: Entry) -> PluginItem | str:
    """Return the item of ``entry``, or why there is none, or no single one."""
    same_names = items.get((entry.type, entry.item), [])
    fitting = [item for item in same_names if _fits(entry, item.module, *item.plugin_type.key, item.name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = ", ".join(sorted(f"{item.plugin_type} / {item}" for item in fitting))
        return f"several items have these names; give manager and module: {names}"
    if any(_fits(entry, module, *type_key, name) for name, module, type_key in registry.items):
        return "the item is in the code, but not in the database yet: run manage.py pluginsync"
    wanted = f"{show_name(entry.item, entry.module)} of a plugin type {show_name(entry.type, entry.manager)}"
    return f"there is no item {wanted}: is its app installed here?"


def _fits(entry: Entry, module: str, type_name: str, manager: str, name: str) -> bool:
    wanted = (entry.type, entry.manager or manager, entry.item, entry.module or module)
    return wanted == (type_name, manager, name, module)


# The configuration of an entry


def _says_the_same(entry: Entry, before: Snapshot) -> bool:
    """Say whether the entry gives the very config that is there, so that it stays as it is, even if unreadable."""
    version = entry.config_version or before.version
    return version == before.version and to_text(entry.config) == to_text(before.config)


def _fit_config(row: PluginInstance, entry: Entry, before: Snapshot | None) -> list[FieldProblem]:
    """Put the config of ``entry`` into ``row``; return what is wrong with it instead, without its values.

    ``before`` is what ``row`` holds, without its secrets; None for a new row.
    """
    problems = list(_find_misplaced(entry.config or {}))
    if problems:
        return problems
    try:
        config = _upgrade(row, entry)
        filled = Concealed(substitute(config.config, lambda path: _take(before, config.config, path, problems)))
        if not problems:
            row.set_config(filled.config)
    except SecretError as error:
        problems = [FieldProblem(error.path, error.reason)]
    except ConfigError as error:
        problems = [*getattr(error, "errors", ())] or [FieldProblem((), str(error))]
    return problems


def _find_misplaced(given: Any) -> Iterator[FieldProblem]:
    for path, value in walk_json(given, lambda _path, value: not is_marker(value) and not claims_kept(value)):
        if is_marker(value):
            yield FieldProblem(path, f'"{MARKER}" is a stored secret, which opens nowhere else: {GIVE_IT}')
        elif claims_kept(value) and (value != {REDACTED: True} or value[REDACTED] is not True):
            reason = f'a value that was left out is written {{"{REDACTED}": true}}, and nothing beside it'
            yield FieldProblem(path, reason)


def _take(before: Snapshot | None, config: Any, path: Path, problems: list[FieldProblem]) -> Any:
    """Return what is stored where ``config`` says that something was left out; note why it cannot be meant."""
    found = [] if before is None else look_up(before.stored, path)
    if before is None or not found:
        problems.append(FieldProblem(path, f"was left out, and there is nothing stored to keep: {GIVE_IT}"))
        return None
    if _is_elsewhere(before.config, config, path):
        reason = "was left out, and its list was changed, so that it may belong to another item"
        problems.append(FieldProblem(path, f"{reason}: {GIVE_IT}"))
    return found[0]


def _is_elsewhere(before: Any, config: Any, path: Path) -> bool:
    """Say whether the first list on the way to ``path`` lost items, or has another one there than is stored."""
    for length in range(len(path)):
        [ours], [theirs] = look_up(config, path[:length]), look_up(before, path[:length])
        if isinstance(ours, list):
            item = path[: length + 1]
            return len(ours) < len(theirs) or look_up(config, item) != look_up(before, item)
    return False


class _LeftOut(SecretStr):
    """Stands for a value that was left out while a document is upgraded: a step may move it, but not look into it."""

    def __init__(self, path: Path, opened: list[Path]) -> None:
        """Stand at ``path``; ``opened`` collects where a step looked."""
        super().__init__("")
        self._path = path
        self._opened = opened

    def get_secret_value(self) -> Any:
        """Return what says that the value was left out, and note that it is needed."""
        self._opened.append(self._path)
        return keep(self._path)

    def __deepcopy__(self, memo: dict[int, Any]) -> _LeftOut:
        return self


def _upgrade(row: PluginInstance, entry: Entry) -> Concealed:
    """Return the config of ``entry`` in the form of the current version.

    :raises ConfigError: if the code is gone, or older than the document, or a step fails.
    """
    plugin_class, schema, known = require_declared(row)
    version = entry.config_version or known
    if version > known:
        reason = f"is of config version {version}, this code knows {known}: deploy the newer code first"
        raise InvalidConfig(str(row), [FieldProblem((), reason)])
    given = Concealed(dict(entry.config or {}))
    if version == known:
        return given
    opened: list[Path] = []
    wrapped = wrap_secrets(given.config, find_plain(schema, given.config))
    given = Concealed(substitute(wrapped, lambda path: _LeftOut(path, opened)))
    try:
        given = Concealed(upgrade(plugin_class, given.config, version, known))
    except ConfigError:
        if not opened:
            raise
    if opened:
        reason = f"was left out, and an upgrade from version {version} has to look at it: {GIVE_IT}"
        raise InvalidConfig(str(row), [FieldProblem(path, reason) for path in opened])
    return Concealed(unwrap_secrets(given.config)[0])


# What changes


def _compare(before: Snapshot | None, after: Snapshot) -> list[Difference]:
    """Return what changes in a row: columns, then places of its configuration; all of it for a new one.

    Secrets that stay are among it only where something else of the configuration changes.
    """
    old, new = {} if before is None else _flatten(before), _flatten(after)
    hidden, known = (set(), {}) if before is None else (before.secret_paths, before.secrets)
    found = []
    for path in sorted({**old, **new}, key=lambda path: path if path[0] == "config" else ()):
        was, will_be = (_show_at(values, path) for values in (old, new))
        place = path[1:]
        if path[0] == "config" and place in after.secret_paths:
            text = "changed" if place in hidden else "set"
            if place in known and is_same(known[place], after.secrets.get(place)):
                text = KEPT
        elif was == will_be:
            continue
        else:
            text = f"{was} -> {will_be}" if path in old else will_be
        found.append(Difference(".".join(path), text))
    is_config_kept = all(one.text == KEPT for one in found if one.name.startswith("config"))
    return [one for one in found if one.text != KEPT] if is_config_kept else found


def _flatten(snapshot: Snapshot) -> dict[Path, Any]:
    """Return each value that holds no other, by its path; an object of one key that starts with ``$`` is a value."""

    def holds_values(value: Any) -> bool:
        is_special = isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$")
        return isinstance(value, (dict, list)) and bool(value) and not is_special

    columns: dict[Path, Any] = {(name,): value for name, value in snapshot.columns.items()}
    found = walk_json(snapshot.config, lambda _path, value: holds_values(value))
    return {**columns, **{("config", *path): value for path, value in found if not holds_values(value)}}


def _show_at(values: Mapping[Path, Any], path: Path) -> str:
    """Return a value for people; one that is text stands in quotes, unlike these words."""
    if path not in values:
        return "nothing"
    return "a secret" if claims_kept(values[path]) else json.dumps(values[path], ensure_ascii=False, sort_keys=True)
