"""Compare all registered items with their snapshots, and write the snapshots anew where that is safe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from django_plugin_system.contrib.drift.comparing import Change, compare_items
from django_plugin_system.contrib.drift.describing import describe_item
from django_plugin_system.contrib.drift.snapshots import list_files, locate_snapshot, read_snapshot, write_snapshots
from django_plugin_system.plugin import has_steps
from django_plugin_system.registry import registry

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.contrib.drift.snapshots import ItemShape


Key = tuple[str, str, str, str]


class Outcome(Enum):
    """How an item's schema stands to its snapshot. The values are what the command says; see ``Effect``, too."""

    SAME = "as in the snapshot"
    NEW = "new"
    GONE = "no longer registered as a configurable item"
    LABEL = "only labels changed"
    ADDITIVE = "additive, with defaults"
    MIGRATED = "changed, with a new version and migrate_config"
    MIGRATION = "needs a migration"
    SECRECY = "changes what is secret"
    NO_STEP = "a new version without migrate_config"
    OLDER = "the snapshot is of a newer version than the code"


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
        return Outcome[max(change.effect for change in changes).name]
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
    report = GateReport(contents={path: [] for path in list_files(installed=installed)})
    read = {path: read_snapshot(path) for path in report.contents}
    stored = {item.key: item for items in read.values() for item in items}
    ours = list_files(installed=False)
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
        location = locate_snapshot(spec)
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
        report.written = write_snapshots(report.contents)
    return report
