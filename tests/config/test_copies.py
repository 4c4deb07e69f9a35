"""A configuration is handed out without sharing what a caller could change."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from pydantic import BaseModel, HttpUrl, PrivateAttr, Secret, SecretStr

from django_plugin_system.config.validation import make_copier
from tests.config.helpers import make_schema
from tests.shapes.models import Color, Loose


class Private(BaseModel):
    """A model that remembers something."""

    _seen: list[int] = PrivateAttr(default_factory=list)


@dataclass
class Thing:
    """Some object."""

    size: int = 1


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
    HttpUrl("https://example.org"),
]


class Custom(BaseModel):
    """A model that copies itself in a way of its own."""

    value: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Custom:
        """Return a copy that can be told."""
        return Custom(value=[*self.value, 0])


@pytest.mark.parametrize("value", ATOMS, ids=repr)
def test_values_that_nobody_can_change_are_shared(value: Any) -> None:
    """A model of such values is copied without going deep, and the copy is its own."""
    config = make_schema(Any)(value=value)
    copied: Any = make_copier(config)()
    assert copied == config
    assert copied.value is value
    assert copied.model_fields_set == config.model_fields_set
    copied.value = "changed"
    assert copied != config


CHANGEABLE: list[Any] = [
    [1],
    [[1]],
    {"a": 1},
    {"a": [1]},
    {1},
    (1, [2]),
    make_schema(list[int])(value=[1]),
    Secret([1]),
    Thing(),
]


@pytest.mark.parametrize("value", CHANGEABLE, ids=repr)
def test_what_can_be_changed_is_copied(value: Any) -> None:
    """A container, a model, a secret container and an unknown object are each caller's own."""
    config = make_schema(Any)(value=value)
    copied: Any = make_copier(config)()
    assert copied == config
    assert copied.value is not value


@pytest.mark.parametrize("config", [Loose.model_validate({"more": [1]}), Private()], ids=repr)
def test_models_with_more_than_fields_are_copied_whole(config: BaseModel) -> None:
    """Extra values and private attributes come along, and are the copy's own."""
    copied: Any = make_copier(config)()
    assert copied == config
    for one, other in ((copied.__pydantic_extra__, config.__pydantic_extra__), (copied, config)):
        assert one is not other or one is None


def test_a_model_may_copy_itself_in_its_own_way() -> None:
    """What a class says about copying is respected."""
    copied: Any = make_copier(Custom(value=[1]))()
    assert copied.value == [1, 0]


def test_a_deep_copy_shares_nothing() -> None:
    """A caller that changes a list in its copy, or in a model inside it, changes nobody else's."""
    config = make_schema(Any)(value=make_schema(list[list[int]])(value=[[1]]))
    make = make_copier(config)
    first: Any = make()
    first.value.value[0].append(2)
    first.value.value.append([3])
    assert config.model_dump() == {"value": {"value": [[1]]}}
    assert make() == config
