"""The first step of adding an instance: the page on which the item is chosen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db.models import Count, Q

from django_plugin_system.models import PluginItem, PluginStatus, PluginType

if TYPE_CHECKING:
    from uuid import UUID


@dataclass(frozen=True)
class Choice:
    """One item that can be chosen."""

    item: PluginItem
    takes_config: bool
    is_disabled: bool


@dataclass(frozen=True)
class Group:
    """A type with its items."""

    plugin_type: PluginType
    choices: list[Choice] = field(default_factory=list)


def find_item(item_id: str | UUID | None) -> PluginItem | None:
    """Return the item with this id whose code is there, or None."""
    if not item_id:
        return None
    try:
        item = PluginItem.objects.select_related("plugin_type").get(pk=item_id)
    except (PluginItem.DoesNotExist, ValidationError):
        return None
    return item if item.is_registered else None


def group_items(search: str = "") -> list[Group]:
    """Return the items whose code is there, grouped by type; those that ``search`` is found in. One query."""
    items = PluginItem.objects.select_related("plugin_type").annotate(instance_count=Count("instances"))
    for word in search.split():
        texts = ("name", "module", "description", "plugin_type__name", "plugin_type__description")
        found = Q()
        for text in texts:
            found |= Q(**{f"{text}__icontains": word})
        items = items.filter(found)
    groups: dict[UUID, Group] = {}
    for item in items.order_by("plugin_type__name", "plugin_type__manager", "name", "module"):
        if item.is_registered:
            group = groups.setdefault(item.plugin_type_id, Group(item.plugin_type))
            disabled = item.status == PluginStatus.DISABLED
            group.choices.append(Choice(item, item.config_schema is not None, disabled))
    return list(groups.values())
