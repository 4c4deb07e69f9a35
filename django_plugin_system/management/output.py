"""What commands read and write: documents, text fit for a terminal, and what an import did or would do."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from argparse import ArgumentParser
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import connections
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.json_tree import look_up
from django_plugin_system.exceptions import Path as FieldPath
from django_plugin_system.exceptions import PluginSystemError, make_printable, show_path
from django_plugin_system.rows.traceback_safety import Concealed

if TYPE_CHECKING:
    from django_plugin_system.contrib.transfer.document import Entry
    from django_plugin_system.contrib.transfer.planning import Plan

Cell: TypeAlias = "str | tuple[str, Callable[[str], str]]"
"""What stands in a table: a text, perhaps with its colour."""
_MEASURED = 200
"""So many lines of a table are looked at before its columns get their widths."""
_NARROWEST = 6
STANDARD = "-"
"""Stands for standard input."""
MOST_BYTES = 512 * 1024 * 1024
"""How long a document may be: a million instances."""
CLOSED_PIPE = 141
"""What a command exits with whose reader has gone (``| head``), as the other programs of a shell do."""
_SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".toml": "toml"}


class PluginCommand(BaseCommand):
    """A command that shows names and errors as they are, except for what a terminal would obey.

    An error of this package ends it as a ``CommandError``; it ends silently once nobody reads what it writes.
    """

    def run_from_argv(self, argv: list[str]) -> None:
        """Run, as Django does."""
        try:
            try:
                super().run_from_argv(argv)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):  # Python flushes both once more when it ends
                os.dup2(nowhere, stream.fileno())
            sys.exit(CLOSED_PIPE)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run, as Django does."""
        try:
            return super().execute(*args, **options)
        except SystemCheckError:
            raise
        except (CommandError, PluginSystemError) as error:
            refusal = CommandError(make_printable(str(error)), returncode=getattr(error, "returncode", 1))
        raise refusal

    def tell(self, text: str, style: Callable[[str], str] | None = None) -> None:
        """Write a line to standard output."""
        self.stdout.write(make_printable(text), style)

    def warn(self, text: str, style: Callable[[str], str] = str) -> None:
        """Write a line to standard error."""
        self.stderr.write(make_printable(text), style)

    def list_problems(self, problems: Iterable[object]) -> None:
        """Write ``problems`` to standard error, one a line."""
        for problem in problems:
            self.warn(f"- {problem}", self.style.ERROR)

    def tell_json(self, data: Any) -> None:
        """Write ``data`` as JSON; whatever a terminal might obey is escaped in it."""
        self.stdout.write(json.dumps(data, indent=2))

    def tell_json_list(self, items: Iterable[Any]) -> None:
        """Write ``items`` as one JSON list, a line each, as they come."""
        opening = "["
        for item in items:
            self.stdout.write(f"{opening}\n  {json.dumps(item)}", ending="")
            opening = ","
        self.stdout.write("[]" if opening == "[" else "\n]")

    def show_table(self, head: Sequence[str], lines: Iterable[Sequence[Cell]]) -> None:
        """Write a table as its lines come. On a terminal it is as wide as that, and has colours."""
        lines = iter(lines)
        first = [head, *islice(lines, _MEASURED)]
        if len(first) == 1:
            self.tell("There are none.")
            return
        widths = [max(len(_get_text(cell)) for cell in column) for column in zip(*first, strict=True)]
        room = shutil.get_terminal_size().columns if self.stdout.isatty() else sys.maxsize
        while sum(widths) + 2 * len(widths) > room and max(widths) > _NARROWEST:
            widths[widths.index(max(widths))] -= 1
        for line in chain(first, lines):
            shown = [self._fit(cell, width) for cell, width in zip(line, widths, strict=True)]
            self.stdout.write("  ".join(shown).rstrip())

    def _fit(self, cell: Cell, width: int) -> str:
        text = _get_text(cell)
        if len(text) > width and self.stdout.isatty():
            text = f"{text[: width - 1]}\N{HORIZONTAL ELLIPSIS}"
        return cell[1](text.ljust(width)) if isinstance(cell, tuple) and self.stdout.isatty() else text.ljust(width)

    def show_progress(self, done: int, total: int, what: str) -> None:
        """Say how far a long work is: again and again on a terminal's last line, else at each tenth of it."""
        text = f"{done:,} of {total:,} {what} ({done / total:.0%})"
        if self.stdout.isatty():
            self.stdout.write(f"\r{text}", ending="\n" if done >= total else "")
            self.stdout.flush()
        elif done * 10 // total > self._tenths:
            self._tenths = done * 10 // total
            self.stdout.write(text)

    _tenths = 0


def _get_text(cell: Cell) -> str:
    return make_printable(cell[0] if isinstance(cell, tuple) else cell)


def add_database_option(parser: ArgumentParser, what_for: str) -> None:
    """Declare ``--database``, which takes an alias."""
    text = f"The database to {what_for}; the router's choice by default."
    parser.add_argument("--database", choices=tuple(connections), help=text)


def guess_format(name: str | None) -> str:
    """Return the format that the name of a file suggests, ``json`` by default."""
    return _SUFFIXES.get(Path(name or "").suffix.lower(), "json")


def read_text(name: str) -> str:
    """Return the text of a file, or of standard input for ``-``.

    :raises CommandError: if it cannot be read, is too long, or is not UTF-8.
    """
    try:
        if name == STANDARD:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
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
def open_new(path: Path, *, force: bool) -> Iterator[TextIO]:
    """Open a file that only its owner may read; it has its content once the block is done, or it is not there.

    ``force`` puts it in the place of one that is there, in one step; a link is replaced, not followed.

    :raises CommandError: if there is a file and ``force`` is not given, or it cannot be written.
    """
    unfinished: list[str] = []
    try:
        if not force:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            unfinished.append(str(path))  # the name is taken
        descriptor, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        unfinished.append(written)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            yield file
        os.replace(written, path)  # noqa: PTH105 - as Path.replace
        unfinished.clear()
    except FileExistsError:
        raise CommandError(f"{path} exists. Choose another name, or --force to replace it.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        for name in unfinished:
            os.unlink(name)  # noqa: PTH108 - as Path.unlink


_SIGNS = {"create": "+", "update": "~", "skip": "=", "refuse": "!", "delete": "-", "release": ">", "left": "?"}
"""What stands before an instance in the list of changes."""
IMPORTED = (("Created", "create"), ("Updated", "update"), ("Left as they are", "skip"), ("Unchanged", "unchanged"))
APPLIED = (
    *(("Created", "create"), ("Updated", "update"), ("Deleted", "delete"), ("Released", "release")),
    *(("Gone, but left", "left"), ("Unchanged", "unchanged")),
)

Counted: TypeAlias = "Iterable[tuple[str, str]]"

NEAR = 300
"""How many lines around the name of an instance its secrets are looked for in."""
_WORD = re.compile(r"[-0-9A-Za-z_]+")


def show_plan(command: PluginCommand, plan: Plan, counted: Counted, what: str = "", *, verbose: bool) -> None:
    """Write what changes, with what was and will be, if ``verbose``; how many there are; ``what`` would do that."""
    for change in plan.changes if verbose else ():
        if change.action != "unchanged":
            command.tell(f"{_SIGNS[change.action]} {change.entry}: {change.action}")
            for difference in change.differences:
                command.tell(f"    {difference}")
    if what:
        command.tell(f"Nothing was written; {what} would do this:")
    counts = plan.count()
    command.tell(" ".join(f"{word}: {counts[action]:,}." for word, action in counted))


@sensitive_variables()
def warn_of_plain_secrets(command: PluginCommand, plan: Plan, texts: Mapping[str, Concealed]) -> None:
    """Name each secret that stands in a file in plain text, with its line; ``texts`` has those of the files."""
    lines = {owner: Concealed(text.config.splitlines()) for owner, text in texts.items()}
    wanted = {entry.name for entry, _owner, _path in plan.plain_secrets}
    starts = {owner: _find_words(found, wanted) for owner, found in lines.items()}
    for entry, owner, path in plan.plain_secrets:
        line = _find_line(lines[owner], starts[owner].get(entry.name, 0), entry, path)
        where = f"{owner}, line {line}" if line else owner
        text = f"{where}: {show_path(path)} of {entry} is a secret in plain text; encrypt it, or refer to it."
        command.warn(text, command.style.WARNING)


@sensitive_variables()
def _find_words(lines: Concealed, wanted: Container[str]) -> dict[str, int]:
    """Return the first line of each word that is ``wanted``."""
    found: dict[str, int] = {}
    for number, line in enumerate(lines.config):
        for word in filter(wanted.__contains__, _WORD.findall(line)):
            found.setdefault(word, number)
    return found


@sensitive_variables()
def _find_line(lines: Concealed, start: int, entry: Entry, path: FieldPath) -> int | None:
    """Return the line of a value near ``start``, as far as it can be told; None if it is spelled in another way."""
    [value] = look_up(entry.config, path)
    spelled = _spell(value)
    near: list[int] = [
        *range(start, min(start + NEAR, len(lines.config))),
        *reversed(range(max(start - NEAR, 0), start)),
    ]
    found: int | None = None
    for number in near:
        line: str = lines.config[number]
        if any(part in line for part in spelled):
            if path[-1] in line:
                return number + 1
            found = found or number + 1
    return found


def _spell(value: Any) -> list[str]:
    first = str(value).strip().partition("\n")[0]
    return [part for part in (first, json.dumps(first)[1:-1], json.dumps(value)) if part]
