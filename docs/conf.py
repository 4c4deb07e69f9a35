"""How Sphinx builds the documentation; ``make docs`` runs it with every warning an error."""

from __future__ import annotations

import os
from importlib.metadata import version as installed_version

import django

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
