"""What changed since the snapshots, and what that asks for; the snapshots are written anew where that is safe.

Where it is not sure that stored rows survive a change, a migration is needed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from django_plugin_system.contrib.drift import snapshots
from django_plugin_system.contrib.drift.describing import describe_item
from django_plugin_system.plugin import has_steps
from django_plugin_system.registry import registry

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue

    from django_plugin_system.contrib.drift.snapshots import ItemShape, Place, TypeShape

    Rules = Mapping[str, JsonValue]
    Key = tuple[str, str, str, str]


class Outcome(Enum):
    """How an item's schema stands to its snapshot, as the command says it. Of several changes, the last one counts."""

    SAME = "as in the snapshot"
    NEW = "new"
    GONE = "no longer registered as a configurable item"
    LABEL = "only labels changed"
    """Only people see it."""
    ADDITIVE = "additive, with defaults"
    """Every stored configuration is still read, as what it was."""
    MIGRATED = "changed, with a new version and migrate_config"
    MIGRATION = "needs a migration"
    """A stored configuration may no longer be read, or not as what it was; also where that is not sure."""
    SECRECY = "changes what is secret"
    """A value becomes a secret, or stops being one."""
    NO_STEP = "a new version without migrate_config"
    OLDER = "the snapshot is of a newer version than the code"


class Change(NamedTuple):
    """A difference at ``path``, as people write it: ``login.password``, ``tags[]``."""

    path: str
    outcome: Outcome
    text: str

    def __str__(self) -> str:
        return f"{self.path or '(root)'}: {self.text}"


_REMOVABLE_VALIDATORS = ("AfterValidator ", "field_validator(after) ", "model_validator(after) ", "Predicate ")
"""Validators that got a value which was of the right type already, so that it is taken without them, too."""
_BOUNDS = ((("ge", "gt"), 1), (("le", "lt"), -1), (("min_length",), 1), (("max_length",), -1), (("max_digits",), -1))
"""Limits, exclusive ones last, each with 1 if a higher one takes less."""
_REMOVABLE_LIMITS = {
    *(name for names, _sign in _BOUNDS for name in names),
    *("allow_inf_nan", "ascii_only", "decimal_places", "multiple_of", "pattern", "strict", "uuid_version"),
}
"""Without one of these, more is taken than with it, and nothing is taken differently."""
_EXTRA = ("forbid", "ignore", "allow")


def compare_items(old: ItemShape, new: ItemShape) -> list[Change]:
    """Return what changed between two snapshots of an item's schema, other than labels, in the order of the paths."""
    changes = dict.fromkeys(_compare_places(old.root, new.root, ""))
    return sorted(changes, key=lambda change: (change.path, change.text))


def _compare_places(old: Place, new: Place, path: str) -> Iterator[Change]:
    """Yield the differences between what may stand at a place."""
    if old.default and not new.default:
        yield Change(path, Outcome.MIGRATION, "has no default any more: rows that never stored it are refused")
    elif new.default and not old.default:
        yield Change(path, Outcome.ADDITIVE, "has a default now")
    elif old.default != new.default:
        yield Change(path, Outcome.ADDITIVE, "has another default; it holds for rows that never stored the field")
    for key in sorted({*old.types, *new.types}):
        for change in _compare_types(old.types.get(key), new.types.get(key), path):
            # Where only pydantic's own choice tells types apart, any difference may change that choice.
            in_doubt = key.startswith("?") and change.outcome is Outcome.ADDITIVE
            yield change._replace(outcome=Outcome.MIGRATION) if in_doubt else change


def _compare_types(old: TypeShape | None, new: TypeShape | None, path: str) -> Iterator[Change]:
    if old is None or new is None:
        yield from _compare_values(path, [str(old)] if old else [], [str(new)] if new else [])
        return
    if new.secret and not old.secret:
        text = "was plain and is a secret; plain text that is stored stays readable until it is encrypted"
        yield Change(path, Outcome.SECRECY, text)
    elif old.secret and not new.secret:
        text = "was a secret and is plain; stored rows are refused until a step of migrate_config takes the value out"
        yield Change(path, Outcome.SECRECY, text)
    yield from _compare_rules(path, old.rules, new.rules)
    if old.kind != new.kind:
        is_wider = (old.kind, new.kind) == ("enum", "string") and all(isinstance(value, str) for value in old.values)
        outcome = Outcome.ADDITIVE if is_wider else Outcome.MIGRATION
        yield Change(path, outcome, f"was {old.kind} and is {new.kind}")
        return
    yield from _compare_values(path, map(_to_text, old.values), map(_to_text, new.values))
    yield from _compare_parts(old, new, path)


def _compare_parts(old: TypeShape, new: TypeShape, path: str) -> Iterator[Change]:
    added = {name: part for name, part in new.parts.items() if name not in old.parts}
    for name, part in added.items():
        yield Change(
            snapshots.join(path, name), *_judge_added(part, open_before=old.rules.get("model_config extra") == "allow")
        )
    for name, part in old.parts.items():
        if name in new.parts:
            yield from _compare_places(part, new.parts[name], snapshots.join(path, name))
        else:
            text = f"is gone; what is stored is not read any more{_guess_new_name(part, added)}"
            yield Change(snapshots.join(path, name), Outcome.MIGRATION, text)


def _judge_added(part: Place, *, open_before: bool) -> tuple[Outcome, str]:
    what = "secret" if any(shape.secret for shape in part.types.values()) else "field"
    if not part.default:
        return Outcome.MIGRATION, f"is a new {what} without a default"
    if open_before:
        return Outcome.MIGRATION, f"is a new {what}, but rows may hold an undeclared value of that name"
    return Outcome.ADDITIVE, f"is a new {what} with a default"


def _guess_new_name(gone: Place, added: Mapping[str, Place]) -> str:
    kinds = [(shape.kind, shape.secret) for shape in gone.types.values()]
    same = [
        name for name, part in added.items() if kinds == [(shape.kind, shape.secret) for shape in part.types.values()]
    ]
    return f" (renamed to {' or '.join(same)}? then a step has to move it)" if same else ""


# What stands around a type


def _compare_values(path: str, old: Iterable[str], new: Iterable[str]) -> Iterator[Change]:
    before, after = {*old}, {*new}
    yield from (Change(path, Outcome.MIGRATION, f"no longer takes {text}") for text in sorted(before - after))
    yield from (Change(path, Outcome.ADDITIVE, f"takes {text} now, too") for text in sorted(after - before))


def _compare_rules(path: str, old: Rules, new: Rules) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        value = {**old, **new}[name]
        text = f"{name if value is None else f'{name} {value}'} is {'new' if name in new else 'gone'}"
        if name in old and name in new:
            if _to_text(old[name]) == _to_text(new[name]):
                continue
            text = f"{name} was {old[name]} and is {new[name]}"
        yield Change(path, Outcome.ADDITIVE if _is_wider(name, old, new) else Outcome.MIGRATION, text)


def _is_wider(name: str, old: Rules, new: Rules) -> bool:
    """Say whether the ``new`` rule of this name, or its absence, lets everything through that the ``old`` one did."""
    if name == "model_config extra":
        was, is_now = (_EXTRA.index(str(rules.get(name, "ignore"))) for rules in (old, new))
        return is_now > was
    for names, sign in _BOUNDS:
        if name in names and not new.keys().isdisjoint(names):
            before, after = (
                [(value * sign, one != names[0]) for one in names if isinstance(value := rules.get(one), (int, float))]
                for rules in (old, new)
            )
            return bool(before and after) and max(after) <= max(before)
    if name == "bound_to":  # a stored secret stays bound as it was until it is typed again
        return True
    return name not in new and (name in _REMOVABLE_LIMITS or name.startswith(_REMOVABLE_VALIDATORS))


def _to_text(value: JsonValue) -> str:
    return json.dumps(value, sort_keys=True)


# Items


_REFUSED = (Outcome.MIGRATION, Outcome.SECRECY, Outcome.NO_STEP, Outcome.OLDER)


@dataclass(frozen=True)
class Verdict:
    """What is to be said about one item, and done."""

    item: str
    outcome: Outcome
    advice: str = ""
    changes: tuple[Change, ...] = ()

    @property
    def is_refused(self) -> bool:
        """Whether the snapshot must not be written before the code is changed."""
        return self.outcome in _REFUSED


def judge(old: ItemShape | None, new: ItemShape | None, plugin_class: type | None) -> Verdict:
    """Compare the snapshot of an item with what its class declares now; either may be missing, not both."""
    if new is None or plugin_class is None:
        advice = "Its rows keep what they store, unread. Was it renamed? Else run pluginschema --write."
        return Verdict(str(old), Outcome.GONE, advice)
    if old is None:
        return Verdict(str(new), Outcome.NEW, "Run pluginschema --write.")
    changes = tuple(compare_items(old, new))
    outcome = _decide(old, new, changes, has_step=has_steps(plugin_class))
    return Verdict(str(new), outcome, _advise(outcome, old, new, plugin_class), changes)


def _decide(old: ItemShape, new: ItemShape, changes: tuple[Change, ...], *, has_step: bool) -> Outcome:
    if new.config_version < old.config_version:
        return Outcome.OLDER
    if new.config_version > old.config_version:
        return Outcome.MIGRATED if has_step else Outcome.NO_STEP
    if changes:
        return max((change.outcome for change in changes), key=list(Outcome).index)
    return Outcome.SAME if old == new else Outcome.LABEL


def _advise(outcome: Outcome, old: ItemShape, new: ItemShape, plugin_class: type) -> str:
    name, version = plugin_class.__qualname__, old.config_version
    raise_it = f"Set config_version = {version + 1} in {name}, and let migrate_config handle from_version {version}"
    advice = {
        Outcome.MIGRATION: f"{raise_it}; then run pluginschema --write.",
        Outcome.SECRECY: f"{raise_it} (what stays in its secret type is encrypted, what a step takes out with "
        "get_secret_value() is stored in the clear); then run pluginschema --write.",
        Outcome.NO_STEP: f"Give {name} a migrate_config that handles from_version {version}, or set config_version "
        f"back to {version}.",
        Outcome.OLDER: f"The snapshot has version {version}, {name} has {new.config_version}: rows may be stored "
        f"by the newer code, and would be read-only. Set config_version to {version} or more, or restore the snapshot "
        "that belongs to this code.",
    }
    return advice.get(outcome, "" if outcome is Outcome.SAME else "Run pluginschema --write.")


@dataclass
class GateReport:
    """What was found: a verdict for each item, and the items that have no place for a snapshot."""

    verdicts: list[Verdict] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Items of code that was installed, with the reason."""
    unplaced: list[str] = field(default_factory=list)
    """Items that belong to no app, with the reason."""
    contents: dict[Path, list[ItemShape]] = field(default_factory=dict)
    """What each file should hold."""
    written: list[Path] = field(default_factory=list)

    @property
    def different(self) -> list[Verdict]:
        """The items that are not as their snapshot says."""
        return [verdict for verdict in self.verdicts if verdict.outcome is not Outcome.SAME]

    @property
    def refused(self) -> list[Verdict]:
        """The items whose snapshot must not be written before their code is changed."""
        return [verdict for verdict in self.verdicts if verdict.is_refused]


FOREIGN = "It was installed so: tell its authors, or keep a snapshot of yours in PLUGIN_SYSTEM['SCHEMA_DIRECTORY']."


def check_schemas(*, installed: bool = True) -> GateReport:
    """Compare every configurable item with its snapshot; nothing is written.

    What was ``installed`` is compared with the snapshot that its authors put beside it, if they did.

    :raises InvalidSnapshot: if a file cannot be understood.
    """
    report = GateReport(contents={path: [] for path in snapshots.list_files(installed=installed)})
    read = {path: snapshots.read_snapshot(path) for path in report.contents}
    stored = {item.key: item for items in read.values() for item in items}
    ours = snapshots.list_files(installed=False)
    theirs = {item.key for path, items in read.items() if path not in ours for item in items}
    declared = _describe_declared(report, theirs, installed=installed)
    for key in sorted({*stored, *declared}):
        verdict = judge(stored.get(key), *declared.get(key, (None, None)))
        report.verdicts.append(replace(verdict, advice=FOREIGN) if key in theirs else verdict)
    return report


def _describe_declared(report: GateReport, theirs: set[Key], *, installed: bool) -> dict[Key, tuple[ItemShape, type]]:
    """Return the shape and the class of each configurable item that has a place for a snapshot; ``theirs``, if so."""
    declared: dict[Key, tuple[ItemShape, type]] = {}
    for spec in registry.items.values():
        if (schema := spec.config.schema) is None:
            continue
        location = snapshots.locate_snapshot(spec)
        if location.path is None or (location.is_foreign and not installed):
            (report.left_out if location.is_foreign else report.unplaced).append(f"{spec}: {location.reason}")
            continue
        shape = describe_item(spec, schema)
        declared[shape.key] = shape, spec.plugin_class
        report.contents.setdefault(location.path, []).append(shape)
        if location.is_foreign:
            theirs.add(shape.key)
    return declared


def write_schemas() -> GateReport:
    """Write every snapshot anew, unless an item is refused: then nothing is written.

    :raises InvalidSnapshot: if a file that is there cannot be understood.
    :raises SnapshotNotWritten: if one cannot be written.
    """
    report = check_schemas(installed=False)
    if not report.refused:
        report.written = snapshots.write_snapshots(report.contents)
    return report
