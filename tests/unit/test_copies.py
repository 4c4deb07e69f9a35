"""A configuration is handed out without sharing what a caller could change."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr, Secret, SecretStr

from django_plugin_system.config.copies import is_flat, make_copier
from tests.unit.helpers import make_schema
from tests.unit.shapes import Color, Loose


class Private(BaseModel):
    """A model that remembers something."""

    _seen: list[int] = PrivateAttr(default_factory=list)


ATOMS: list[Any] = [
    None,
    "x",
    b"x",
    1,
    1.5,
    True,
    Decimal(1),
    dt.date.max,
    dt.timedelta(1),
    Color.RED,
    SecretStr("x"),
    Secret(1),
]


@pytest.mark.parametrize("value", ATOMS, ids=repr)
def test_values_that_nobody_can_change_are_flat(value: Any) -> None:
    """A model of such values is copied without going deep, and the copy is its own."""
    config = make_schema(Any)(value=value)
    assert is_flat(config)
    copied: Any = make_copier(config)()
    assert copied == config
    copied.value = "changed"
    assert copied != config


@pytest.mark.parametrize(
    "config",
    [
        make_schema(Any)(value=[1]),
        make_schema(Any)(value={"a": 1}),
        make_schema(Any)(value=make_schema(int)(value=1)),
        make_schema(Any)(value=Secret([1])),
        make_schema(Any)(value=object()),
        Loose.model_validate({"more": 1}),
        Private(),
    ],
    ids=repr,
)
def test_anything_else_is_not(config: BaseModel) -> None:
    """A container, a model, a secret container, extra values and private attributes make a config deep."""
    assert not is_flat(config)


def test_a_deep_copy_shares_nothing() -> None:
    """A caller that changes a list in its copy changes nobody else's."""
    config = make_schema(list[list[int]])(value=[[1]])
    copied: Any = make_copier(config)()
    copied.value[0].append(2)
    assert config.model_dump() == {"value": [[1]]}
