"""Fixtures: a registry of the test's own."""

from __future__ import annotations

from tests.integration.conftest import declared

__all__ = ["declared"]
