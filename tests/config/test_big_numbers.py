"""Numbers that PostgreSQL gives back in another form: ``1e+300`` comes as an integer of 301 digits."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, BeforeValidator

from django_plugin_system.config.validation import validate


def refuse_digits(value: Any) -> Any:
    """Take floats only, as pydantic before 2.12 does where there are very many digits."""
    if isinstance(value, float):
        return value
    message = "not a float"
    raise ValueError(message)


class Limits(BaseModel):
    """Numbers of both kinds, at some depth."""

    count: int = 0
    limits: dict[str, list[Annotated[float, BeforeValidator(refuse_digits)]]] = {}


@pytest.mark.parametrize("value", [1e300, -1e300, 2.0**63])
def test_a_float_comes_back_from_digits(value: float) -> None:
    """A float of many digits is read from them, whatever pydantic itself makes of an integer there."""
    model, problems = validate(Limits, {"count": 3, "limits": {"a": [0.5, int(value)]}}, (), by_alias=False)
    assert problems == []
    assert model == Limits(count=3, limits={"a": [0.5, value]})


def test_a_plain_float_comes_back_from_digits() -> None:
    """So is an ordinary field."""
    plain = type("Plain", (BaseModel,), {"__annotations__": {"value": float}})
    assert validate(plain, {"value": 10**300}, (), by_alias=False) == (plain(value=1e300), [])


def test_a_big_integer_stays_one() -> None:
    """Where an integer is declared, not a digit is lost."""
    model: Any = validate(Limits, {"count": 10**40 + 1}, (), by_alias=False)[0]
    assert model.count == 10**40 + 1


@pytest.mark.parametrize("number", [10**400, 5])
def test_what_is_wrong_is_told_as_it_was_found(number: int) -> None:
    """What no float can be, and what is small enough, is refused with the first reason."""
    model, problems = validate(Limits, {"limits": {"a": [number]}}, (), by_alias=False)
    assert model is None
    assert [problem.path for problem in problems] == [("limits", "a", "0")]
