"""How Sphinx builds the documentation; ``make docs`` runs it with every warning an error."""

from __future__ import annotations

import os
import re
from importlib.metadata import version as installed_version
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from sphinx.application import Sphinx

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

project = "django-plugin-system"
author = "The django-plugin-system authors"
copyright = "2026, the django-plugin-system authors"  # noqa: A001 - the name Sphinx asks for
release = version = installed_version(project)

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "description"

html_theme = "furo"
html_title = f"{project} {release}"

suppress_warnings = ["myst.xref_missing"]  # links to README.md and its neighbours; tests/docs checks every link


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the start page the table of contents that Sphinx wants: the pages that it links to, in that order."""
    del app
    if docname == "index":
        pages = dict.fromkeys(re.findall(r"\]\((\w+)\.md", source[0]))
        source[0] += "\n```{toctree}\n:hidden:\n\n" + "\n".join(pages) + "\n```\n"


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect("source-read", add_contents)
