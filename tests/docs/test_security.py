"""The threat model names a test for each of its claims; these tests are there."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

HELD_BY = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def _read(file: str) -> str:
    """Return the text of a file below ``tests``; nothing if there is none."""
    path = ROOT / "tests" / file.removeprefix("tests/")
    return path.read_text(encoding="utf-8") if path.exists() else ""


def test_every_test_that_the_threat_model_names_exists() -> None:
    """A claim whose test is renamed or gone is noticed."""
    named = HELD_BY.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 50
    texts = {file: _read(file) for file, _name in named}
    missing = [f"{file}::{name}" for file, name in named if not texts[file] or f"def {name}" not in texts[file]]
    assert missing == []


def test_every_row_of_the_failure_table_names_one() -> None:
    """No line of a table of claims comes without the test that holds it."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\|[^\n]*held by \|\n\|[-|]+\|\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(tables) == 4
    assert [row for row in rows if not HELD_BY.search(row)] == []
