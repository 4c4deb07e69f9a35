"""The README's tutorial, as it stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sqlite


def test_the_tutorial_runs_as_written(followed_readme: Path) -> None:
    """Every file and command of the README's tutorial does, in order, what the text says."""
    assert followed_readme.joinpath("db.sqlite3").exists()
