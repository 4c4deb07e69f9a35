"""What the commands for documents share: files to read and write, what an import does, and whose doing it is."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentParser
from bisect import bisect
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.json_tree import look_up
from django_plugin_system.exceptions import ImportRefused
from django_plugin_system.exceptions import Path as FieldPath
from django_plugin_system.management.output import PluginCommand, add_database_option
from django_plugin_system.models import PluginInstance

if TYPE_CHECKING:
    from django_plugin_system.contrib.transfer.apply import Note
    from django_plugin_system.contrib.transfer.document import Entry
    from django_plugin_system.contrib.transfer.planning import Action, Plan
    from django_plugin_system.rows.traceback_safety import Concealed

STANDARD = "-"
"""Stands for standard input."""
MOST_BYTES = 512 * 1024 * 1024
"""How long a document may be: a million instances."""
_SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}
_SIGNS = {"create": "+", "update": "~", "skip": "=", "refuse": "!", "delete": "-", "release": ">", "left": "?"}
"""What stands before an instance in the list of changes."""


class ImportCommand(PluginCommand):
    """A command that makes instances what documents say, all or none, or shows what that would do."""

    counted: tuple[tuple[str, Action], ...]
    """What it counts at the end, in words, and the actions."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare whose doing it is, and where."""
        text = "Note what is done in the admin's history of each instance, as done by this user."
        parser.add_argument("--user", metavar="NAME", help=text)
        add_database_option(parser, "write to")

    @contextmanager
    def listing_refusals(self) -> Iterator[None]:
        """Show why an import in the block is refused; nothing was written then."""
        try:
            yield
        except ImportRefused as error:
            self.list_problems(error.problems)
            raise CommandError(f"Nothing was written. Problems: {len(error.problems):,}; see above.") from None

    def show_plan(self, plan: Plan, options: dict[str, Any], would: str = "") -> None:
        """Write what changes, with what was and will be, and how much; ``would`` is what was not done, but shown.

        :raises CommandError: if that would be refused.
        """
        for change in plan.changes if options["verbosity"] else ():
            if change.action != "unchanged":
                self.tell(f"{_SIGNS[change.action]} {change.entry}: {change.action}")
                for difference in change.differences:
                    self.tell(f"    {difference}")
        if would:
            self.tell(f"Nothing was written; {would} would do this:")
        counts = plan.count()
        self.tell(" ".join(f"{word}: {counts[action]:,}." for word, action in self.counted))
        self.list_problems(plan.problems)
        self.end_with(len(plan.problems), "This would be refused. Problems")


# Files


def guess_format(name: str | None) -> str:
    """Return the format that the name of a file suggests, ``json`` by default."""
    return _SUFFIXES.get(Path(name or "").suffix.lower(), "json")


def read_text(name: str) -> str:
    """Return the text of a file, or of standard input for ``-``.

    :raises CommandError: if it cannot be read, is too long, or is not UTF-8.
    """
    try:
        with nullcontext(sys.stdin.buffer) if name == STANDARD else Path(name).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise CommandError(f"The document is longer than {MOST_BYTES:,} bytes: split it.")
    text = None
    with suppress(UnicodeDecodeError):
        text = content.decode("utf-8-sig")
    del content  # it may hold secrets, which no error is to show with this frame
    if text is None:
        raise CommandError("The document is not UTF-8.")
    return text


@contextmanager
def open_new(path: Path, *, force: bool) -> Iterator[Any]:
    """Open a file that only its owner may read; it has its content once the block is done, or it is not there.

    ``force`` puts it in the place of one that is there, in one step; a link is replaced, not followed.

    :raises CommandError: if there is a file and ``force`` is not given, or it cannot be written.
    """
    unfinished: list[Path] = []
    try:
        if not force:
            path.touch(0o600, exist_ok=False)  # the name is taken
            unfinished.append(path)
        named: dict[str, Any] = {"dir": path.parent, "prefix": f".{path.name}.", "delete": False}
        with NamedTemporaryFile("w", encoding="utf-8", newline="\n", **named) as file:
            unfinished.append(Path(file.name))
            yield file
        Path(file.name).replace(path)
        unfinished.clear()
    except FileExistsError:
        raise CommandError(f"{path} exists. Choose another name, or --force to replace it.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        for one in unfinished:
            one.unlink()


# Secrets in plain text


NEAR = 200
"""How many characters may stand between the name of a field and its value."""


@sensitive_variables()
def iter_lines(text: Concealed, secrets: Iterable[tuple[Entry, FieldPath]]) -> Iterator[int | None]:
    """Yield the line of each of ``secrets``, which stand in ``text`` mostly in this order, as far as it can be told.

    None stands for one that is spelled in another way.
    """
    line_ends = [found.start() for found in re.finditer("\n", text.config)]
    position = 0
    for entry, path in secrets:
        value = _spell(*look_up(entry.config, path))
        patterns = [] if path[-1].isdecimal() else [f"{re.escape(path[-1])}.{{0,{NEAR}}}?(?:{value})"]
        tries = [(pattern, start) for pattern in (*patterns, value) for start in (position, 0)]
        found = next(filter(None, (re.compile(pattern).search(text.config, start) for pattern, start in tries)), None)
        position = found.end() if found else position
        yield bisect(line_ends, found.start()) + 1 if found else None


@sensitive_variables()
def _spell(value: Any) -> str:
    """Return a pattern of how the first line of ``value`` is spelled."""
    first = str(value).strip().partition("\n")[0]
    return "|".join(re.escape(spelled) for spelled in (first, json.dumps(first)[1:-1], json.dumps(value)) if spelled)


# The admin's history


_DONE: dict[Action, tuple[int, str]] = {
    "create": (1, "Created"),
    "update": (2, "Changed"),
    "release": (2, "Given to the admin"),
    "delete": (3, "Deleted"),
}
"""What Django's entries say, in numbers, and in words."""


def make_note(name: str | None, command: str) -> Note | None:
    """Return what takes down for the user with this name what ``command`` does; None without a name.

    :raises CommandError: if there is no such user, or no admin.
    """
    if name is None:
        return None
    if not apps.is_installed("django.contrib.admin"):
        raise CommandError("There is no history without django.contrib.admin.", returncode=2)
    model: Any = get_user_model()
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()
    if user is None:
        raise CommandError(f"There is no user {name}.", returncode=2)
    return partial(_note, user, command)


def _note(user: Any, command: str, plan: Plan) -> None:
    model: Any = apps.get_model("admin", "LogEntry")
    kinds: Any = apps.get_model("contenttypes", "ContentType")
    kind = kinds.objects.get_for_model(PluginInstance)
    entries = []
    for change in plan.changes:
        if change.action in _DONE:
            flag, word = _DONE[change.action]
            names = ", ".join(difference.name for difference in change.differences)
            text = f"{word} by {command}{f': {names}' if flag == 2 and names else ''}."  # noqa: PLR2004 - see above
            shown = str(change.row)[:200]
            entry = {"object_id": str(change.row.pk), "object_repr": shown, "action_flag": flag, "change_message": text}
            entries.append(model(user_id=user.pk, content_type_id=kind.pk, **entry))
    model.objects.bulk_create(entries, batch_size=500)
