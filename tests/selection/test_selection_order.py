"""The order of selection, exhaustively: tier, priority, item name, name."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from django_plugin_system import explain_selection, get_plugin, get_plugins
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, LenientSms, declare_item, declare_type

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.django_db

STATUSES = ("active", "reserve", "disable")
TIERS = {status: tier for tier, status in enumerate(STATUSES)}


class Entry(NamedTuple):
    """What decides where an instance stands."""

    item_status: str
    item_priority: int
    item_name: str
    status: str
    priority: int | None
    name: str

    @property
    def tier(self) -> int:
        """Return the worse of the two statuses."""
        return max(TIERS[self.item_status], TIERS[self.status])

    @property
    def rank(self) -> tuple[object, ...]:
        """Return what the documentation says to sort by."""
        priority = self.item_priority if self.priority is None else self.priority
        return (self.tier, priority, self.item_name, self.name)


def store(entries: Iterable[Entry]) -> None:
    """Declare and store the instances, in an order that has nothing to do with theirs."""
    declare_type()
    entries = sorted(entries, key=lambda entry: (entry.name, entry.status, entry.item_name), reverse=True)
    for name in {entry.item_name for entry in entries}:
        declare_item(LenientSms, name)
    sync_registered_plugins_to_db()
    PluginInstance.objects.all().delete()
    for entry in entries:
        PluginItem.objects.filter(name=entry.item_name).update(status=entry.item_status, priority=entry.item_priority)
        item = PluginItem.objects.get(name=entry.item_name)
        PluginInstance.objects.create(item=item, name=entry.name, status=entry.status, priority=entry.priority)


def make_every_entry() -> list[Entry]:
    """Return instances of every combination of statuses and priorities, two of each but for the name."""
    entries = []
    for item_status, item_priority, twin in product(STATUSES, (-1, 1), "ab"):
        item_name = f"{twin}-{item_status}-{'low' if item_priority < 0 else 'high'}"
        for status, priority, letter in product(STATUSES, (None, -5, 0, 5), "xy"):
            name = f"{letter}-{status}-{priority}".replace("--", "-minus-")
            entries.append(Entry(item_status, item_priority, item_name, status, priority, name))
    return entries


def show(row: PluginInstance) -> tuple[str, str]:
    """Return what tells one instance from all others."""
    return (row.item.name, row.name)


def test_the_order_is_total(db: None) -> None:
    """The database sorts 288 instances of every combination as the documentation says."""
    del db
    entries = make_every_entry()
    store(entries)
    expected = [(entry.item_name, entry.name) for entry in sorted(entries, key=lambda entry: entry.rank)]
    usable = sum(entry.tier < TIERS["disable"] for entry in entries)
    rows = PluginInstance.objects.for_type(AbstractSms).select_related("item").in_order()
    assert [show(row) for row in rows] == expected
    assert [show(plugin.plugin_instance) for plugin in get_plugins(AbstractSms)] == expected[:usable]  # type: ignore[attr-defined]
    assert [show(candidate.instance) for candidate in explain_selection(AbstractSms).candidates] == expected
    assert [show(row) for row in rows.enabled()] == expected[:usable]
    for row in rows:
        assert row.effective_tier == STATUSES[max(TIERS[row.status], TIERS[row.item.status])]
    _take_out_the_best_again_and_again(expected[:12])


def _take_out_the_best_again_and_again(expected: list[tuple[str, str]]) -> None:
    for item_name, name in expected:
        best = get_plugin(AbstractSms).plugin_instance  # type: ignore[attr-defined]
        assert show(best) == (item_name, name)
        best.status = "disable"
        best.save()


def test_names_of_two_modules_do_not_tie(db: None) -> None:
    """Items of one name in two modules are told apart by the module."""
    del db
    declare_type()
    for module in ("b", "a"):
        declare_item(LenientSms, "same", module=module)
    sync_registered_plugins_to_db()
    assert [row.item.module for row in PluginInstance.objects.in_order()] == ["a", "b"]


@pytest.mark.parametrize("by", ["interface", "names", "row"])
def test_a_type_can_be_named_in_three_ways(all_kinds: dict[str, PluginItem], by: str) -> None:
    """Querysets take the interface, the name with its manager, or the type's row."""
    row = all_kinds["console"].plugin_type
    refs: dict[str, tuple[Any, ...]] = {"interface": (AbstractSms,), "names": ("sms", "apps.sms"), "row": (row,)}
    assert PluginInstance.objects.for_type(*refs[by]).named("default").count() == 3
