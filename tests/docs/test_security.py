"""The threat model names a test for each of its claims; these tests are there."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

HELD_BY = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")


def test_every_test_that_the_threat_model_names_exists() -> None:
    """A claim whose test is renamed or gone is noticed."""
    named = HELD_BY.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 50
    missing = []
    for file, name in named:
        path = ROOT / file if file.startswith("tests/") else ROOT / "tests" / file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if f"def {name}" not in text or not text:
            missing.append(f"{file}::{name}")
    assert missing == []


def test_every_row_of_the_failure_table_names_one() -> None:
    """No line of a table of claims comes without the test that holds it."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\|[^\n]*held by \|\n\|[-|]+\|\n((?:\|[^\n]*\n)+)", text, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(tables) == 4
    assert [row for row in rows if not HELD_BY.search(row)] == []
