"""Tell what an import, or the files that declare instances, did or would do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.json_tree import look_up
from django_plugin_system.exceptions import Path, show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django_plugin_system.contrib.transfer.document import Entry
    from django_plugin_system.contrib.transfer.planning import Change, Plan
    from django_plugin_system.management.output import PluginCommand
    from django_plugin_system.rows.traceback_safety import Concealed

_SIGNS = {"create": "+", "update": "~", "skip": "=", "refuse": "!", "delete": "-", "release": ">", "left": "?"}
"""What stands before an instance in the list of changes."""
IMPORTED = (("Created", "create"), ("Updated", "update"), ("Left as they are", "skip"), ("Unchanged", "unchanged"))
APPLIED = (
    *(("Created", "create"), ("Updated", "update"), ("Deleted", "delete"), ("Released", "release")),
    *(("Gone, but left", "left"), ("Unchanged", "unchanged")),
)


def show_changes(command: PluginCommand, changes: Iterable[Change]) -> None:
    """Write what changes, each with what was and will be."""
    for change in changes:
        if change.action != "unchanged":
            command.tell(f"{_SIGNS[change.action]} {change.entry}: {change.action}")
            for difference in change.differences:
                command.tell(f"    {difference}")


def show_counts(command: PluginCommand, plan: Plan, counted: Iterable[tuple[str, str]]) -> None:
    """Write how many instances there are of each kind."""
    counts = plan.count()
    command.tell(" ".join(f"{word}: {counts[action]:,}." for word, action in counted))


def warn_of_plain_secrets(command: PluginCommand, plan: Plan, texts: Mapping[str, Concealed]) -> None:
    """Name each secret that stands in a file in plain text, with its line; ``texts`` has those of the files."""
    for entry, owner, path in plan.plain_secrets:
        line = _find_line(texts[owner], entry, path)
        where = f"{owner}, line {line}" if line else owner
        text = f"{where}: {show_path(path)} of {entry} is a secret in plain text; encrypt it, or refer to it."
        command.warn(text, command.style.WARNING)


@sensitive_variables()
def _find_line(text: Concealed, entry: Entry, path: Path) -> int | None:
    """Return the line of a value, as far as it can be told from the text; None if it is spelled in another way."""
    [value] = look_up(entry.config, path)
    lines = text.config.splitlines()
    start = next((number for number, line in enumerate(lines) if entry.name in line), 0)
    numbers = [*range(start, len(lines)), *range(start)]
    spelled = _spell(value)
    found = [number for number in numbers if any(part in lines[number] for part in spelled)]
    named = [number for number in found if path[-1] in lines[number]]
    return next((number + 1 for number in (*named, *found)), None)


def _spell(value: Any) -> list[str]:
    first = str(value).strip().partition("\n")[0]
    return [part for part in (first, json.dumps(first)[1:-1], json.dumps(value)) if part]
