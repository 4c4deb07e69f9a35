"""Walks through JSON end before Python's own limit does."""

from __future__ import annotations

from typing import Any

import pytest

from django_plugin_system.config.json_tree import INSIDE, MAX_DEPTH, replace_json
from django_plugin_system.exceptions import ConfigShapeError


def test_a_copy_goes_only_so_deep() -> None:
    """What is nested deeper than anything that can be stored is refused at its first key."""
    tree: Any = "leaf"
    for _level in range(MAX_DEPTH + 1):
        tree = {"inner": tree}
    with pytest.raises(ConfigShapeError) as caught:
        replace_json(tree, lambda _path, _value: INSIDE)
    assert caught.value.path == ("inner",)
