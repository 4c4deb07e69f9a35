"""Names that a type leaves as text, as Python 3.10 does in ``list["Model"]``."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional, Union

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.schema.annotations import settle
from django_plugin_system.schema.tree import get_tree


class Knot(BaseModel):
    """A model inside itself."""

    token: SecretStr
    kids: list["Knot"] = []


class Rope(BaseModel):
    """Models that are named before they are known."""

    knots: list["Knot"] = []
    maybe: Optional[dict[str, list["Knot"]]] = None  # noqa: UP045


def test_secrets_behind_names_are_declared() -> None:
    """On every Python a class knows of the secrets in the models that it names."""
    assert get_tree(Rope).holds_secret
    assert get_tree(Knot).holds_secret


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (list["Knot"], list[Knot]),
        (dict[str, list["Knot"]], dict[str, list[Knot]]),
        (Optional[list["Knot"]], Optional[list[Knot]]),  # noqa: UP045 - as older code writes it
        (Annotated[list["Knot"], "Knot"], Annotated[list[Knot], "Knot"]),
        (Union[list["Knot"], int], Union[list[Knot], int]),  # noqa: UP007 - as older code writes it
        (Literal["Knot"], Literal["Knot"]),
        (list["Nowhere"], list["Nowhere"]),  # type: ignore[name-defined] # noqa: F821
        ("Knot", Knot),
        (tuple[int, ...], tuple[int, ...]),
        (int, int),
    ],
    ids=str,
)
def test_names_are_looked_up(given: Any, expected: Any) -> None:
    """In the module of the class that uses them, at any depth; what is not there, and what is no name, stays."""
    assert settle(given, Rope) == expected
