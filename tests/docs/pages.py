"""Where the documentation stands."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
GUIDE = ROOT / "migrations_guide.md"
ALL_PAGES = (*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md")))
