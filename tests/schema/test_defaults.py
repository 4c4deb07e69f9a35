"""Defaults that pydantic takes as they are written: common, harmless, and not of the field's type."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import Enum

import pytest
from pydantic import AnyUrl, BaseModel, Field, SecretStr

from django_plugin_system.config.codec import Parsed
from django_plugin_system.exceptions import UnstorableConfig
from tests.config.helpers import make_codec


class Level(Enum):
    """How much is said."""

    QUIET = "quiet"


class Pause(BaseModel):
    """A nested model with a loose default of its own."""

    seconds: float = 1


class Loose(BaseModel):
    """Every default here is of another type than its field."""

    timeout: float = 5
    price: Decimal = 0  # type: ignore[assignment]
    pause: timedelta = 30  # type: ignore[assignment]
    level: Level = "quiet"  # type: ignore[assignment]
    url: AnyUrl = "https://api.example/"  # type: ignore[assignment]
    nested: Pause = Field(default_factory=Pause)
    token: SecretStr


def test_loose_defaults_come_back_validated() -> None:
    """A default that nobody set may be of a looser type; what is read has the field's own."""
    codec = make_codec(Loose)
    back = codec.restore(codec.store(codec.parse({"token": "hush"}))).model
    assert isinstance(back, Loose)
    assert (back.timeout, back.price, back.pause) == (5.0, Decimal(0), timedelta(seconds=30))
    assert (back.level, str(back.url), back.nested.seconds) == (Level.QUIET, "https://api.example/", 1.0)


def test_loose_secret_is_refused() -> None:
    """A secret that is plain text because a factory made it so is refused, not stored in the clear."""

    class Careless(BaseModel):
        token: SecretStr = Field(default_factory=lambda: "plain")  # type: ignore[assignment]

    codec = make_codec(Careless)
    with pytest.raises(UnstorableConfig) as caught:
        codec.store(codec.parse({}))
    assert [problem.path for problem in caught.value.errors] == [("token",)]


def test_set_value_of_another_type_is_refused() -> None:
    """What was set, past validation, counts: it has to come back as it is."""
    codec = make_codec(Loose)
    with pytest.raises(UnstorableConfig, match="pause"):
        codec.store(Parsed(Loose.model_construct(token=SecretStr("hush"), pause=30)))  # type: ignore[arg-type]
