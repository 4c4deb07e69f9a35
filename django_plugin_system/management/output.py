"""What commands say: text fit for a terminal, tables, progress, JSON; and how they end."""

from __future__ import annotations

import json
import os
import shutil
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

from django.core.management.base import BaseCommand, CommandError, SystemCheckError
from django.db import connections

from django_plugin_system.exceptions import PluginSystemError, make_printable

Cell: TypeAlias = "str | tuple[str, Callable[[str], str]]"
"""What stands in a table: a text, perhaps with its colour."""
_MEASURED = 200
"""So many lines of a table are looked at before its columns get their widths."""
_NARROWEST = 6
CLOSED_PIPE = 141
"""What a command exits with whose reader has gone (``| head``), as the other programs of a shell do."""


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

    def end_with(self, count: int, what: str) -> None:
        """Go on if there is nothing of what was listed above.

        :raises CommandError: if there is.
        """
        if count:
            raise CommandError(f"{what}: {count:,}; see above.")

    def tell_json(self, data: Any) -> None:
        """Write ``data`` as JSON; whatever a terminal might obey is escaped in it."""
        self.stdout.write(json.dumps(data, indent=2))

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
        total = max(done, total)
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
