"""Take instances out of a database, without their secrets: redacted, or as references to the environment."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from django.db import router
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.references import ENV
from django_plugin_system.models import PluginInstance
from django_plugin_system.transfer.document import VALUES, Entry, Problem
from django_plugin_system.transfer.naming import name_variables
from django_plugin_system.transfer.redaction import Redacted, keep, substitute, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.db.models import QuerySet

    from django_plugin_system.exceptions import Path

Secrets = Literal["redacted", "env"]
"""What stands for a secret: that it was left out, or a reference to an environment variable."""


@dataclass(frozen=True)
class Selection:
    """Which instances to export: those that have one of the names, where names are given."""

    types: Sequence[str] = ()
    items: Sequence[str] = ()
    names: Sequence[str] = ()


@dataclass
class Export:
    """What was exported, in the order of the names. ``problems`` are rows whose config could not be read."""

    entries: list[Entry] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    variables: list[str] = field(default_factory=list)
    """The environment variables that the references of the export name, sorted."""


@sensitive_variables()
def export_instances(
    using: str | None = None, *, selection: Selection | None = None, secrets: Secrets = "redacted"
) -> Export:
    """Return the instances of a database as entries of a document. No secret is in them, whatever is asked for."""
    export = Export()
    found: list[tuple[Entry, Redacted]] = []
    for row in _find_rows(using or router.db_for_read(PluginInstance), selection or Selection()):
        redacted = take_snapshot(row).redacted
        found.append((make_entry(row, redacted), redacted))
    found.sort(key=lambda pair: _get_key(pair[0]))  # databases sort text by rules of their own
    reasons = ((entry, redacted.reason) for entry, redacted in found)
    export.problems = [Problem(str(entry), reason) for entry, reason in reasons if reason is not None]
    export.entries = [entry for entry, _redacted in found] if secrets == "redacted" else _refer(found, export)
    return export


def _find_rows(using: str, selection: Selection) -> QuerySet[PluginInstance]:
    wanted = {
        "item__plugin_type__name__in": selection.types,
        "item__name__in": selection.items,
        "name__in": selection.names,
    }
    rows = PluginInstance.objects.using(using).select_related("item__plugin_type")
    return rows.filter(**{column: names for column, names in wanted.items() if names})


def _get_key(entry: Entry) -> tuple[str, ...]:
    return (entry.type, entry.manager or "", entry.item, entry.module or "", entry.name)


def make_entry(row: PluginInstance, redacted: Redacted) -> Entry:
    """Return the entry of ``row``, whose configuration was ``redacted``."""
    plugin_type = row.item.plugin_type
    return Entry(
        type=plugin_type.name,
        manager=plugin_type.manager,
        item=row.item.name,
        module=row.item.module,
        name=row.name,
        values={name: getattr(row, name) for name in VALUES},
        config=redacted.config,
        config_version=redacted.version,
    )


def _refer(found: list[tuple[Entry, Redacted]], export: Export) -> list[Entry]:
    names = name_variables((entry, path) for entry, redacted in found for path in sorted(redacted.secret_paths))
    export.variables = sorted(names.values())

    def put(entry: Entry) -> Entry:
        def refer(path: Path) -> Any:
            name = names.get((str(entry), path))
            return keep(path) if name is None else {ENV: name}

        return replace(entry, config=substitute(entry.config, refer))

    return [put(entry) for entry, _redacted in found]
