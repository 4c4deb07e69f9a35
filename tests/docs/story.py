"""Do what a document says, block by block and in order, in a folder of its own.

- ``console``: each line that starts with ``$`` is run; the output that follows it is compared.
- a block with a ``title``: is written to that file of the project; ``action="append"`` adds it at the end.
- ``pycon`` and ``python`` without a title: run in the project, neighbours in one session.
- other languages (``text``, ``json``, ``diff``): are shown only.
- ``django="<6.1"`` or ``django=">=6.1"``: is done only on such a Django.
"""

from __future__ import annotations

import doctest
import json
import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from django import VERSION

from tests.docs.session import FLAGS
from tests.docs.session import __file__ as session_script
from tests.docs.terminal import Command, Terminal, parse_console
from tests.support.markdown import Block, code_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

ENVIRONMENT_COMMANDS = ("python3 -m venv", ". .venv/bin/activate", "python -m pip")
"""What makes an environment; left out where the one that runs the tests serves."""


@dataclass
class Story:
    """A reader with a terminal. ``settings`` is the settings module of the project that the document makes."""

    terminal: Terminal
    settings: str = "shop.settings"
    own_environment: bool = False
    """Whether the commands that make an environment are run, too."""
    in_admin: Callable[[str], None] | None = None
    """What the reader does while the server runs; it is given the address."""

    def tell(self, page: Path, section: str = "") -> None:
        """Do everything that ``page`` says, or only what stands under the heading ``section``."""
        lines = _find_section(page, section)
        told = (block for block in code_blocks(page) if block.line in lines and _is_of_this_django(block))
        for kind, blocks in groupby(told, _get_kind):
            if kind == "session":
                self._type(blocks)
            else:
                for block in blocks:
                    self._do(kind, block)

    def _do(self, kind: str, block: Block) -> None:
        if kind == "file":
            self._write(block)
        elif kind == "console":
            for command in parse_console(block.text):
                self._run(command, block)

    def _write(self, block: Block) -> None:
        path = self.terminal.place / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_text() if 'action="append"' in block.info else ""
        path.write_text(f"{before}\n{block.text}" if before else block.text)

    def _type(self, blocks: Iterable[Block]) -> None:
        fields = ("language", "line", "text")
        given = json.dumps([{"path": str(b.path)} | {name: getattr(b, name) for name in fields} for b in blocks])
        status, output = self.terminal.run(f"DJANGO_SETTINGS_MODULE={self.settings} python {session_script}", given)
        assert status == 0, output

    def _run(self, command: Command, block: Block) -> None:
        if command.text.startswith(("make ", "git ")):
            return  # about the checkout, not about the reader's project
        if command.text.startswith(ENVIRONMENT_COMMANDS) and not self.own_environment:
            return
        if "manage.py runserver" in command.text:
            assert self.in_admin, f"{block.path}:{block.line}: nobody uses this server"
            with self.terminal.serve(command.text) as address:
                self.in_admin(address)
            return
        status, output = self.terminal.run(command.text)
        where = f"{block.path}:{block.line}: {command.text}\n{output}"
        assert (status == 0) != ("fails" in block.info), where
        assert not command.output or doctest.OutputChecker().check_output(command.output, output, FLAGS), where


def _is_of_this_django(block: Block) -> bool:
    found = re.search(r'django="(<|>=)(\d+)\.(\d+)"', block.info)
    return not found or (VERSION[:2] < (int(found[2]), int(found[3]))) == (found[1] == "<")


def _get_kind(block: Block) -> str:
    if block.title:
        return "file"
    return "session" if block.language in {"python", "pycon"} else block.language


def _find_section(page: Path, title: str) -> range:
    """Return the lines of the section of the second level with this ``title``; all lines where there is no title."""
    lines = page.read_text(encoding="utf-8").splitlines()
    if not title:
        return range(len(lines) + 1)
    first = lines.index(f"## {title}") + 1
    rest = (number for number, line in enumerate(lines[first:], first) if line.startswith("## "))
    return range(first, next(rest, len(lines) + 1))


def list_commands(page: Path) -> Iterator[str]:
    """Yield each command line of a document."""
    for block in code_blocks(page, "console"):
        for command in parse_console(block.text):
            yield command.text
