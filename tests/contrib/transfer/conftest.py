"""Fixtures: those of the integration tests, and a folder for documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import all_kinds, declared, provider

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["all_kinds", "declared", "folder", "provider"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
