"""Check all entries of a document against a database, and say what an import would do with each."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.fields import to_text
from django_plugin_system.transfer.diff import KEPT, Difference, compare_columns, compare_configs
from django_plugin_system.transfer.document import VALUES, Problem
from django_plugin_system.transfer.fitting import fit_config
from django_plugin_system.transfer.lookup import Items
from django_plugin_system.transfer.redaction import find_plain, take_snapshot

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from django_plugin_system.models import PluginItem
    from django_plugin_system.transfer.document import Entry
    from django_plugin_system.transfer.redaction import Snapshot

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
