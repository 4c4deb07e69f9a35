"""Check all entries of a document against a database, and say what an import would do with each."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from pydantic import SecretStr

from django_plugin_system.config.json_tree import INSIDE, look_up, replace_json, walk_json
from django_plugin_system.config.validation import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.contrib.transfer import export
from django_plugin_system.contrib.transfer.document import Entry, Problem, open_document_config, show_name
from django_plugin_system.exceptions import ConfigError, FieldProblem, InvalidConfig, Path, SecretError, show_path
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.registry import registry
from django_plugin_system.rows.config import is_older, require_declared
from django_plugin_system.rows.fields import to_text
from django_plugin_system.rows.traceback_safety import Concealed, leaving_frames_behind
from django_plugin_system.schema.values import is_same

Existing = Literal["fail", "skip", "update"]
"""What is done with an instance that is there already, and differs from its entry."""
Action = Literal["create", "update", "skip", "refuse", "unchanged", "delete", "release", "left"]
Claim = tuple["Entry | Problem", str]
"""What a document says of one instance, and the name of the file that manages it then; empty for an import."""
_Key = tuple["uuid.UUID", str, str]
"""Item, scope and name."""
BATCH = 500
"""How many entries are looked up at once."""
GIVE_IT = "give the value, or a reference to it"
KEPT = "kept"
"""What happens to a secret that stays."""


class Rules(NamedTuple):
    """What is done with instances that are there."""

    existing: Existing = "fail"
    """For an import: with one that differs."""
    owners: frozenset[str] = frozenset()
    """The files that are applied: theirs alone they change."""
    adopt: bool = False
    """Whether the files take over what others made, or another file declared, and differs."""
    gone: Action = "left"
    """What is done with the files' own instances that they do not declare any more."""

    @property
    def command(self) -> str:
        """The command that works by these rules."""
        return "pluginapply" if self.owners else "pluginimport"


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
    plain_secrets: list[tuple[Entry, str, Path]] = field(default_factory=list)
    """Which secrets stand in the document in plain text: the entry, its file, and the place in its configuration."""

    def count(self) -> Counter[str]:
        """Return how many entries there are by what is done with them."""
        return Counter(change.action for change in self.changes)

    def pick(self, action: Action) -> list[Change]:
        """Return the changes of one kind in the order in which everybody writes new rows: nobody waits in a circle."""
        found = [change for change in self.changes if change.action == action]
        return sorted(found, key=lambda change: (change.row.item_id, change.row.scope, change.row.name))

    def refuse(self, subject: object, owner: str, *reasons: str) -> None:
        """Put down why ``subject``, an entry of the file ``owner``, cannot be imported."""
        self.problems += [Problem(f"{owner}: {subject}" if owner else str(subject), reason) for reason in reasons]

    def add(self, entry: Entry, owner: str, row: PluginInstance, rules: Rules) -> None:
        """Put down what is done with ``entry``, which is ``row`` in the database, or will be if that is new."""
        before, is_kept = (None, False) if row._state.adding else _look_before(row, entry)
        for name, value in entry.values.items():
            setattr(row, name, value)
        if before is None or not is_kept:
            if problems := _fit_config(row, entry, before):
                self.refuse(entry, owner, *(f"{show_path(('config', *one.path))}: {one.message}" for one in problems))
                return
            after = export.take_snapshot(row, as_stored=True)
        else:
            after = replace(before, columns={**before.columns, **entry.values})
        differences = _compare(before, after)
        action, reason = _judge(differences, row.managed_by, owner, rules) if before else ("create", "")
        if reason:
            self.refuse(entry, owner, reason)
        if owner and row.managed_by != owner:
            differences.append(Difference("managed_by", f"{json.dumps(row.managed_by)} -> {json.dumps(owner)}"))
            row.managed_by = owner
        self.changes.append(Change(entry, row, action, differences))


def _judge(differences: Sequence[Difference], former: str, owner: str, rules: Rules) -> tuple[Action, str]:
    """Return what is done with an instance that is there, and why it is refused.

    ``former`` is the file that manages it, ``owner`` the one that declares it; empty for operators, and for an import.
    """
    if not differences and owner in ("", former):
        return "unchanged", ""
    if owner and (rules.adopt or former in rules.owners or not (former or differences)):
        return "update", ""
    if not owner and not former and rules.existing != "fail":
        return rules.existing, ""
    names = ", ".join(difference.name for difference in differences if difference.text != KEPT)
    state = f"is managed by {former}" if former else "is there already"
    way_out = "change it there" if former else "choose --existing update or --existing skip"
    return "refuse", f"{state}{names and f' and differs in {names}'}: {'--adopt takes it over' if owner else way_out}"


def make_plan(claims: Sequence[Claim], using: str, rules: Rules) -> Plan:
    """Return what is to be done in the database ``using``. Nothing is written, nothing locked."""
    plan = Plan()
    items = _read_items(using)
    seen: set[_Key] = set()
    entries: list[tuple[Entry, str]] = []
    for found, owner in claims:
        if isinstance(found, Entry):
            entries.append((found, owner))
        else:
            plan.refuse(found.subject, owner, found.message)
    for start in range(0, len(entries), BATCH):
        placed = [(entry, owner, _find_item(items, entry)) for entry, owner in entries[start : start + BATCH]]
        rows = _find_rows([(item, entry.name) for entry, _owner, item in placed if not isinstance(item, str)], using)
        for entry, owner, item in placed:
            if isinstance(item, str):
                plan.refuse(entry, owner, item)
            elif (item.pk, *entry.key) in seen:
                plan.refuse(entry, owner, "stands twice in the document")
            else:
                seen.add((item.pk, *entry.key))
                plan.plain_secrets += [
                    (entry, owner, path) for path in export.find_plain(item.config_schema, entry.config)
                ]
                new = PluginInstance(name=entry.name, scope=entry.scope)
                row = rows.get((item.pk, *entry.key), new)
                row.item = item
                plan.add(entry, owner, row, rules)
    for row in _find_gone(seen, using, rules):
        plan.changes.append(
            Change(export.make_entry(row, export.Snapshot({}, row.config_version)), row, rules.gone, [])
        )
    return plan


def _find_gone(seen: Container[_Key], using: str, rules: Rules) -> Iterator[PluginInstance]:
    """Yield what the files declared once, and do not any more."""
    if rules.owners:
        rows = PluginInstance.objects.using(using).filter(managed_by__in=rules.owners)
        keys = rows.values_list("pk", "item_id", "scope", "name")
        gone = [pk for pk, *key in keys if tuple(key) not in seen]
        yield from rows.select_related("item__plugin_type").in_bulk(gone).values()


def _find_rows(keys: Sequence[tuple[PluginItem, str]], using: str) -> dict[_Key, PluginInstance]:
    items, names = {item for item, _name in keys}, {name for _item, name in keys}
    rows = PluginInstance.objects.using(using).filter(item__in=items, name__in=names)
    return {(row.item_id, row.scope, row.name): row for row in rows}


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


def _look_before(row: PluginInstance, entry: Entry) -> tuple[export.Snapshot, bool]:
    """Return what ``row`` holds, and whether the config stays as it is.

    It does if the entry gives none, or the very one that is there, as it is stored or as its class would store it now.
    """
    is_given = "config" in entry.model_fields_set
    if not is_given or not is_older(row):
        before = export.take_snapshot(row, as_stored=True)
        if not is_given or _says_the_same(row, entry, before):
            return before, True
    before = export.take_snapshot(row)
    return before, _says_the_same(row, entry, before)


@leaving_frames_behind
def _says_the_same(row: PluginInstance, entry: Entry, before: export.Snapshot) -> bool:
    """Say whether the entry gives the very config that is there, so that it stays as it is, even if unreadable."""
    if (entry.config_version or before.version) != before.version:
        return False
    opened = open_document_config(row.item, entry.key, before.version, entry.config)
    if opened.failures or not all(_is_stored(path, sealed.value, before) for path, sealed in opened.tokens.items()):
        return False

    def hide(path: Path, value: Any) -> Any:
        return export.keep(path) if path in opened.tokens or _is_stored(path, value, before) else INSIDE

    return to_text(replace_json(entry.config, hide)) == to_text(before.config)


def _is_stored(path: Path, secret: Any, before: export.Snapshot) -> bool:
    return path in before.secrets and is_same(before.secrets[path].value, secret)


def _fit_config(row: PluginInstance, entry: Entry, before: export.Snapshot | None) -> list[FieldProblem]:
    """Put the config of ``entry`` into ``row``; return what is wrong with it instead, without its values.

    ``before`` is what ``row`` holds, without its secrets; None for a new row.
    """
    problems = list(_find_misplaced(entry.config or {}))
    if problems:
        return problems
    try:
        config = _upgrade(row, entry)
        filled = Concealed(export.substitute(config.config, lambda path: _take(before, config.config, path, problems)))
        if not problems:
            row.set_config(filled.config)
    except SecretError as error:
        problems = [FieldProblem(error.path, error.reason)]
    except ConfigError as error:
        problems = [*getattr(error, "errors", ())] or [FieldProblem((), str(error))]
    return problems


def _find_misplaced(given: Any) -> Iterator[FieldProblem]:
    for path, value in walk_json(given, lambda _path, value: not export.claims_kept(value)):
        if export.claims_kept(value) and (value != {export.REDACTED: True} or value[export.REDACTED] is not True):
            reason = f'a value that was left out is written {{"{export.REDACTED}": true}}, and nothing beside it'
            yield FieldProblem(path, reason)


def _take(before: export.Snapshot | None, config: Any, path: Path, problems: list[FieldProblem]) -> Any:
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
        return export.keep(self._path)

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
    opened_config = open_document_config(row.item, entry.key, version, entry.config or {})
    if opened_config.failures:
        failures = [FieldProblem(path, failure.reason) for path, failure in opened_config.failures.items()]
        raise InvalidConfig(str(row), failures)
    given = Concealed(opened_config.data)
    if version == known:
        return given
    opened: list[Path] = []
    wrapped = wrap_secrets(given.config, export.find_plain(schema, given.config))
    given = Concealed(export.substitute(wrapped, lambda path: _LeftOut(path, opened)))
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


def _compare(before: export.Snapshot | None, after: export.Snapshot) -> list[Difference]:
    """Return what changes in a row: columns, then places of its configuration; all of it for a new one.

    Secrets that stay are among it only where something else of the configuration changes.
    """
    old, new = _flatten(before), _flatten(after)
    found = []
    for path in sorted({**old, **new}, key=lambda path: path if path[0] == "config" else ()):
        was, will_be = _show_at(old, path), _show_at(new, path)
        if path[0] == "config" and path[1:] in after.secret_paths:
            text = _describe_secret(path[1:], before, after)
        elif was == will_be:
            continue
        else:
            text = f"{was} -> {will_be}" if path in old else will_be
        found.append(Difference(".".join(path), text))
    is_config_kept = all(one.text == KEPT for one in found if one.name.startswith("config"))
    return [one for one in found if one.text != KEPT] if is_config_kept else found


def _describe_secret(place: Path, before: export.Snapshot | None, after: export.Snapshot) -> str:
    if before is None or place not in before.secret_paths:
        return "set"
    is_kept = place in after.secrets and _is_stored(place, after.secrets[place].value, before)
    return KEPT if is_kept else "changed"


def _flatten(snapshot: export.Snapshot | None) -> dict[Path, Any]:
    """Return each value that holds no other, by its path; an object of one key that starts with ``$`` is a value."""
    if snapshot is None:
        return {}

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
    return (
        "a secret" if export.claims_kept(values[path]) else json.dumps(values[path], ensure_ascii=False, sort_keys=True)
    )
