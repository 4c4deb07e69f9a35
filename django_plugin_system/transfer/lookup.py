"""Find the item that an entry names; say what is near where there is none."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from django_plugin_system.models import PluginItem, PluginType
from django_plugin_system.registry import registry
from django_plugin_system.transfer.document import show_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from django_plugin_system.transfer.document import Entry

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
