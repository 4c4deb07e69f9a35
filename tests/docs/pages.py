"""Where the documentation stands."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
GUIDE = ROOT / "migrations_guide.md"
QUICKSTART = DOCS / "quickstart.md"
MAIL_QUICKSTART = DOCS / "mail-quickstart.md"
SITE_PAGES = (*sorted(DOCS.glob("*.md")), *sorted(DOCS.glob("recipes/*.md")))
ALL_PAGES = (*sorted(ROOT.glob("*.md")), *SITE_PAGES)
