"""The instances that may serve one name: in order, who serves now, and who does without one of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.utils.translation import gettext as _

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.querysets import MOST_NAMED
from django_plugin_system.rows.reasons import find_reason
from django_plugin_system.selection.candidates import Candidate, complete, make_request
from django_plugin_system.selection.choosing import Selection, explain

if TYPE_CHECKING:
    from django.http import HttpRequest


Key = tuple[Any, str, str]
"""A type's id, a name, and a scope."""


def find_chains(keys: Iterable[Key]) -> dict[Key, list[PluginInstance]]:
    """Return for each of ``keys``, in one query, the instances that may serve it, in the order of selection."""
    wanted = dict.fromkeys(keys)
    items = PluginItem.objects.filter(plugin_type__in={kind for kind, _name, _scope in wanted})
    scopes, names = {"", *(key[2] for key in wanted)}, {key[1] for key in wanted}
    rows = PluginInstance.objects.filter(item__in=items.values("pk"), name__in=names, scope__in=scopes)
    own: defaultdict[Key, list[PluginInstance]] = defaultdict(list)
    for row in complete(rows):
        own[get_key(row)].append(row)
    return {key: own[key] + (own[key[0], key[1], ""] if key[2] else []) for key in wanted}


def find_chain(key: Key) -> list[PluginInstance]:
    """Return the instances that may serve ``key``, in the order of selection."""
    return find_chains([key])[key]


def get_key(row: PluginInstance) -> Key:
    """Return what ``row`` may serve."""
    return (row.item.plugin_type_id, row.name, row.scope)


def explain_chain(rows: Sequence[PluginInstance]) -> Selection:
    """Return what selection makes of ``rows``, in order: all that may serve where the first one does."""
    first, kind = rows[0], rows[0].item.plugin_type
    if not kind.is_registered:
        return Selection(first.name, tuple(Candidate(row, find_reason(row)) for row in rows))
    return explain(make_request(*kind.key, first.name, scope=first.scope or None)._replace(fake=None), rows)


def get_mark(rows: Iterable[PluginInstance]) -> str:
    """Return a mark of all that decides the order of ``rows``; how they fare leaves it the same."""
    state = sorted((str(row.pk), row.status, row.priority, row.item.status, row.item.priority) for row in rows)
    return hashlib.sha256(repr(state).encode()).hexdigest()[:16]


def describe_after(found: Selection, row: PluginInstance) -> str:
    """Return who serves the name of ``row`` without that row; nothing if it does not serve now."""
    if found.chosen != row:
        return ""
    other = next((one.instance for one in found.candidates if one.usable and one.instance != row), None)
    if other is None:
        return _("Without it, nobody serves “%(name)s”.") % {"name": row.name}
    return _("Without it, %(other)s serves “%(name)s”.") % {"other": other.item.name, "name": row.name}


def describe_loss(gone: Sequence[PluginInstance]) -> list[str]:
    """Return, for each name that one of ``gone`` serves now, who serves it once these are gone."""
    texts = []
    for (_kind, name, _scope), rows in find_chains(map(get_key, gone)).items():
        if explain_chain(rows).chosen in gone:
            left = [other for other in rows if other not in gone]
            found = explain_chain(left).chosen if left else None
            text = _("Afterwards, %(item)s serves “%(name)s”.") if found else _("Afterwards, nobody serves “%(name)s”.")
            texts.append(text % {"name": name, "item": found.item.name if found else ""})
    return texts


def warn_unserved(request: HttpRequest, rows: Iterable[PluginInstance]) -> None:
    """Say of each name of ``rows`` that nobody serves now that this is so; of the first of them, if there are many."""
    chains = find_chains(map(get_key, rows))
    found = [(explain_chain(chain), name) for (_kind, name, _scope), chain in chains.items()]
    for selection, name in [one for one in found if one[0].chosen is None][:MOST_NAMED]:
        messages.warning(request, describe_now(selection, name))


def describe_now(found: Selection, name: str) -> str:
    """Return who serves ``name`` now."""
    if found.chosen is None:
        return _("Nobody serves “%(name)s” now.") % {"name": name}
    return _("%(item)s serves “%(name)s” now.") % {"item": found.chosen.item.name, "name": name}
