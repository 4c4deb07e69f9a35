"""The code blocks of Markdown files, for tests that run the documentation's examples."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FENCE = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[\w+-]*)[ \t]*(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """One fenced block: ```` ```python title="shop/plugins.py" ```` has the language ``python`` and that title."""

    path: Path
    line: int
    """The line of its first line of text, from 1."""
    language: str
    info: str
    text: str

    @property
    def title(self) -> str:
        """Return the file that the block shows, or ``""``."""
        found = re.search(r'title="([^"]*)"', self.info)
        return found[1] if found else ""

    def compiled(self) -> object:
        """Return the block as code whose tracebacks point into the document.

        :raises SyntaxError: if the block is no Python.
        """
        return compile("\n" * (self.line - 1) + self.text, str(self.path), "exec")


def code_blocks(path: Path, *languages: str) -> Iterator[Block]:
    """Yield the blocks of a Markdown file in order; with ``languages``, only theirs."""
    source = path.read_text(encoding="utf-8")
    for match in _FENCE.finditer(source):
        if not languages or match["language"] in languages:
            line = source.count("\n", 0, match.start("text")) + 1
            yield Block(path, line, match["language"], match["info"].strip(), match["text"])
