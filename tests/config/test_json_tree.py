"""Walks through JSON end before Python's own limit does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system.config.json_tree import INSIDE, MAX_DEPTH, is_deep, replace_json
from django_plugin_system.exceptions import ConfigShapeError

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_copy_goes_only_so_deep() -> None:
    """What is nested deeper than anything that can be stored is refused at its first key."""
    tree: Any = "leaf"
    for _level in range(MAX_DEPTH + 1):
        tree = {"inner": tree}
    with pytest.raises(ConfigShapeError) as caught:
        replace_json(tree, lambda _path, _value: INSIDE)
    assert caught.value.path == ("inner",)


@pytest.mark.parametrize(
    "wrap",
    [lambda inner: [inner], lambda inner: (inner,), lambda inner: deque([inner]), lambda inner: {"a": inner}],
    ids=["list", "tuple", "deque", "dict"],
)
@pytest.mark.parametrize(("levels", "expected"), [(MAX_DEPTH, False), (MAX_DEPTH + 1, True), (100_000, True)])
def test_depth_is_told_of_any_container(wrap: Callable[[Any], Any], levels: int, *, expected: bool) -> None:
    """What a program gives may be other containers than JSON has, and deeper than Python goes."""
    tree: Any = None
    for _level in range(levels):
        tree = wrap(tree)
    assert is_deep(tree) is expected
    while tree is not None:  # taken apart level by level, which Python's own way out would do by recursion
        tree = next(iter(tree.values() if isinstance(tree, dict) else tree))
