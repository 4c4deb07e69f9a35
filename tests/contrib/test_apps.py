"""The apps to switch on."""

from __future__ import annotations

import pytest
from django.apps import AppConfig


@pytest.mark.parametrize("name", ["email", "storage"])
def test_a_label_is_left_to_the_project(name: str) -> None:
    """A project may have an app of its own named so."""
    assert AppConfig.create(f"django_plugin_system.contrib.{name}").label == f"django_plugin_system_{name}"
