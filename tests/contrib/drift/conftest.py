"""A small project of the test's own: an app in a folder, with whatever ``plugins.py`` the test writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contrib.drift.project import Project

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Return a project with an app named ``mail``; nothing else is registered."""
    with Project(tmp_path).running() as running:
        yield running
