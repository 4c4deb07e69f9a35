"""Generated models and values: stored JSON never contains a secret's text, and what is restored is what was stored."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr, create_model

from django_plugin_system.config.keyring import KeyRing
from django_plugin_system.config.opened import iter_markers
from django_plugin_system.config.tokens import Place, open_token, seal
from django_plugin_system.config.validation import unwrap_secrets, wrap_secrets
from django_plugin_system.exceptions import ConfigError, InvalidConfig, SecretError, TamperedToken, UnknownKey
from django_plugin_system.schema.checks import find_unstorable
from django_plugin_system.schema.tree import get_tree
from django_plugin_system.schema.values import collect_secret_texts, iter_secrets
from tests.config.helpers import RING, ROW, make_codec, make_schema, show_everything, store


class Level(Enum):
    """A few choices."""

    LOW = "low"
    HIGH = "high"


profile = settings(
    deadline=None,
    max_examples=60,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MARK = "§planted§"
"""Stands in every generated secret, and in nothing else."""
plain_text = st.text(st.characters(exclude_characters="\x00§", exclude_categories=["Cs"]), max_size=12)
secret_text = st.text(max_size=20).map(lambda text: MARK + text.encode(errors="replace").decode())

PLAIN: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, plain_text),
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (dt.datetime, st.datetimes(timezones=st.sampled_from([dt.timezone.utc, dt.timezone(dt.timedelta(hours=-3))]))),
    (dt.date, st.dates()),
    (dt.timedelta, st.timedeltas(dt.timedelta(days=-999), dt.timedelta(days=999))),
    (uuid.UUID, st.uuids()),
    (Level, st.sampled_from(Level)),
    (set[int], st.sets(st.integers())),
    (tuple[int, str], st.tuples(st.integers(), plain_text)),
]
SECRET: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (SecretStr, secret_text.map(SecretStr)),
    (SecretBytes, st.binary(max_size=20).map(lambda raw: SecretBytes(MARK.encode() + raw))),
    (Secret[dict[str, str]], st.dictionaries(plain_text, secret_text, min_size=1).map(Secret)),
]
Typed = tuple[Any, st.SearchStrategy[Any]]


def wrap_in(inner: Typed, kind: str) -> Typed:
    """Return a container type and values of it."""
    annotation, values = inner
    if kind == "list":
        return list[annotation], st.lists(values, max_size=3)  # type: ignore[valid-type]
    if kind == "dict":
        return dict[str, annotation], st.dictionaries(plain_text, values, max_size=3)  # type: ignore[valid-type]
    if kind == "numbered":
        return dict[int, annotation], st.dictionaries(st.integers(), values, max_size=3)  # type: ignore[valid-type]
    if kind == "tuple":
        return tuple[annotation, int], st.tuples(values, st.integers())  # type: ignore[valid-type]
    return annotation | None, st.none() | values


def make_model(fields: list[Typed]) -> Typed:
    """Return a model with ``fields``, and instances of it."""
    named = {f"field_{number}": field for number, field in enumerate(fields)}
    definitions: dict[str, Any] = {name: (annotation, ...) for name, (annotation, _values) in named.items()}
    model = create_model("Generated", **definitions)
    return model, st.builds(model, **{name: values for name, (_annotation, values) in named.items()})


leaves = st.sampled_from(PLAIN + SECRET)
kinds = st.sampled_from(["list", "dict", "numbered", "tuple", "optional"])
types: st.SearchStrategy[Typed] = st.recursive(
    leaves,
    lambda inner: st.builds(wrap_in, inner, kinds) | st.lists(inner, min_size=1, max_size=3).map(make_model),
    max_leaves=6,
)
models: st.SearchStrategy[BaseModel] = (
    st.lists(types, min_size=1, max_size=4).map(make_model).flatmap(lambda typed: typed[1])
)


@profile
@given(models)
def test_what_is_restored_is_what_was_stored(model: BaseModel) -> None:
    """Any model of any values comes back equal, from its stored form and through input in its stored form."""
    stored = store(model)
    codec = make_codec(type(model))
    assert codec.restore(stored).model == model
    assert codec.parse(stored).model == model
    assert codec.store(codec.parse(stored), stored) == stored
    assert not find_unstorable(type(model))


@profile
@given(models)
def test_stored_json_holds_no_secret(model: BaseModel) -> None:
    """No text of any secret stands in what is stored, and each secret has a token at its own path."""
    stored = store(model)
    assert MARK not in json.dumps(stored, ensure_ascii=False)
    paths = {path for path, _secret in iter_secrets(model)}
    assert {path for path, _marker in iter_markers(stored)} == paths
    assert get_tree(type(model)).holds_secret or not paths


@profile
@given(models, st.data())
def test_no_error_quotes_a_secret(model: BaseModel, data: st.DataObject) -> None:
    """Input that is spoiled at random is refused without a secret in anything that the error shows."""
    given_values = model.model_dump()
    name = data.draw(st.sampled_from(sorted(given_values)))
    spoiled = data.draw(st.sampled_from([None, [], {}, [MARK], {"x": MARK}, MARK, {"$secret": MARK}]))
    texts = collect_secret_texts(type(model), given_values)
    with pytest.raises(ConfigError) as caught:
        make_codec(type(model)).parse({**given_values, name: spoiled, "unknown": MARK})
    shown = show_everything(caught.value)
    assert MARK not in shown
    assert not [text for text in texts if len(text) >= 8 and text in shown]


@profile
@given(models, st.binary(min_size=32, max_size=32))
def test_another_key_opens_nothing(model: BaseModel, key: bytes) -> None:
    """With a key other than the one it was stored with, a config with secrets is an error, never a value."""
    stored = store(model)
    codec = make_codec(type(model), KeyRing([key]))
    if iter_markers(stored):
        with pytest.raises(UnknownKey, match=RING.primary_id):
            codec.restore(stored)
    else:
        assert codec.restore(stored).model == model


@profile
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_any_json_can_be_a_secret(value: Any) -> None:
    """Any JSON value comes back from a token, and from no other path."""
    path = ("a", "0")
    assert open_token(seal(value, ROW, path, RING), ROW, path, RING).value == value


@profile
@given(st.lists(st.text(max_size=4), max_size=3), st.lists(st.text(max_size=4), max_size=3), st.text(), st.text())
def test_different_places_are_never_mistaken(one: list[str], other: list[str], row: str, more: str) -> None:
    """However a path, a row or a table is called, a token opens only with the very same names."""
    place, elsewhere = (Place(row, more, row, more, 1), tuple(one)), (Place(more, row, more, row, 1), tuple(other))
    marker = seal("x", *place, RING)
    if place == elsewhere:
        assert open_token(marker, *elsewhere, RING).value == "x"
    else:
        with pytest.raises(TamperedToken):
            open_token(marker, *elsewhere, RING)


@profile
@given(models)
def test_wrapping_secrets_for_a_migration_loses_nothing(model: BaseModel) -> None:
    """What a config migration gets and returns unchanged opens to the same config, with the same secrets."""
    codec = make_codec(type(model))
    stored = store(model)
    opened = {path: open_token(marker, ROW, path, RING, stored).value for path, marker in iter_markers(stored)}
    wrapped = wrap_secrets(stored, opened)
    assert MARK not in repr(wrapped)
    plain, secrets = unwrap_secrets(wrapped)
    assert secrets == opened
    assert codec.codec.restore_data(plain, secrets).model == model


@profile
@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.floats()), max_size=5))
def test_any_input_is_refused_or_taken_but_never_crashes(data: dict[str, Any]) -> None:
    """Whatever object an operator sends, the answer is a model or an InvalidConfig."""
    schema = make_schema(dict[str, int | str | list[float] | None])
    for given_data in (data, {"value": data}):
        try:
            model = make_codec(schema).parse(given_data).model
        except (InvalidConfig, SecretError):
            continue
        assert isinstance(model, schema)
