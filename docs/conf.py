"""How Sphinx builds the documentation; ``make docs`` runs it with every warning an error."""

from __future__ import annotations

import os
import re
import shutil
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

PROJECT_PAGES = ("CHANGELOG", "CONTRIBUTING", "SECURITY", "migrations_guide")
"""Pages that stand beside ``docs``, where a forge looks for them. The site has a copy of each in ``project``."""


def copy_project_pages(app: Sphinx) -> None:
    """Copy the pages that stand beside ``docs``, since Sphinx reads none outside."""
    (app.srcdir / "project").mkdir(exist_ok=True)
    for name in PROJECT_PAGES:
        shutil.copy(app.srcdir.parent / f"{name}.md", app.srcdir / "project")


def adapt_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links lead to the copies and from them, and give the start page the tables of contents that Sphinx wants."""
    del app
    if docname.startswith("project/"):
        source[0] = source[0].replace("](docs/", "](../")
    for name in PROJECT_PAGES:
        source[0] = re.sub(rf"\]\((\.\./)+{name}\.md", f"](/project/{name}.md", source[0])
    if docname == "index":
        source[0] += "".join(map(make_contents, source[0].split("\n## ")[1:]))


def make_contents(section: str) -> str:
    """Return a hidden table of contents with the pages that ``section`` of the start page links to, in that order."""
    pages = dict.fromkeys(re.findall(r"\]\(/?([\w/-]+)\.md", section))
    caption = section.partition("\n")[0]
    return "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```\n"])


def copy_pictures(app: Sphinx, exception: Exception | None) -> None:
    """Copy the pictures that a page shows by HTML of its own, which Sphinx does not look into."""
    if exception is None:
        shutil.copytree(app.srcdir / "images", app.outdir / "images", dirs_exist_ok=True)


def setup(app: Sphinx) -> None:
    """Connect what this file adds to Sphinx."""
    app.connect("build-finished", copy_pictures)
    app.connect("builder-inited", copy_project_pages)
    app.connect("source-read", adapt_page)
