"""Cases that share a test: each is tried, and each that fails is named."""

from __future__ import annotations

import inspect
import sys

import pytest

from tests.support.cases import each, tried_on

if sys.version_info < (3, 11):  # pragma: no cover - make test runs on a later one
    from exceptiongroup import ExceptionGroup


def test_every_case_is_tried_and_those_that_fail_are_named() -> None:
    """One that fails is in nobody's way; fixtures are what is left of the arguments."""
    tried: list[tuple[str, int]] = []

    @tried_on(each("word", ["a", "b"], str))
    @tried_on(each("number", [1, 2, 3]))
    def check(word: str, number: int, bound: int) -> None:
        tried.append((word, number))
        assert number < bound

    assert list(inspect.signature(check).parameters) == ["bound"]
    check(bound=4)
    assert tried == [("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 2), ("b", 3)]
    with pytest.raises(ExceptionGroup, match="2 of 2 cases: a, b") as caught:
        check(bound=3)
    assert "1 of 3 cases: 3" in str(caught.value.exceptions[0])
