"""Compare all registered items with their snapshots, and write the snapshots anew where that is safe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django_plugin_system.drift.describing import describe_item
from django_plugin_system.drift.judging import Outcome, Verdict, judge
from django_plugin_system.drift.snapshots import find_home, list_files, read_snapshot, write_snapshots
from django_plugin_system.plugin import get_config_schema
from django_plugin_system.registry import registry

if TYPE_CHECKING:
    from pathlib import Path

    from django_plugin_system.drift.shapes import ItemShape

Keys = tuple[str, str, str, str]


@dataclass
class GateReport:
    """What was found: a verdict for each item, and the items that have no place for a snapshot."""

    verdicts: list[Verdict] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Items of code that was installed, with the reason."""
    homeless: list[str] = field(default_factory=list)
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


def check_schemas() -> GateReport:
    """Compare every configurable item with its snapshot; nothing is written.

    :raises InvalidSnapshot: if a file cannot be understood.
    """
    report = GateReport(contents={path: [] for path in list_files()})
    stored = {item.key: item for path in report.contents for item in read_snapshot(path)}
    classes: dict[Keys, type] = {}
    declared: dict[Keys, ItemShape] = {}
    for spec in registry.items.values():
        if (schema := get_config_schema(spec.plugin_class)) is None:
            continue
        home = find_home(spec)
        if home.path is None:
            (report.left_out if home.is_foreign else report.homeless).append(f"{spec}: {home.reason}")
            continue
        shape = describe_item(spec, schema)
        classes[shape.key], declared[shape.key] = spec.plugin_class, shape
        report.contents.setdefault(home.path, []).append(shape)
    for key in sorted({*stored, *declared}):
        report.verdicts.append(judge(stored.get(key), declared.get(key), classes.get(key)))
    return report


def write_schemas() -> GateReport:
    """Write every snapshot anew, unless an item is refused: then nothing is written.

    :raises InvalidSnapshot: if a file that is there cannot be understood.
    :raises SnapshotNotWritten: if one cannot be written.
    """
    report = check_schemas()
    if not report.refused:
        report.written = write_snapshots(report.contents)
    return report
