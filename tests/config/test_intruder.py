"""Somebody who can write to the database, but has no key: nothing they do gives a secret away or goes unnoticed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from django_plugin_system.config.keyring import KeyRing
from django_plugin_system.config.opened import iter_markers
from django_plugin_system.exceptions import (
    ConfigError,
    ConfigShapeError,
    FieldProblem,
    InvalidConfig,
    MalformedToken,
    SecretError,
    StoredConfigInvalid,
    TamperedToken,
    UnknownKey,
)
from tests.config.helpers import RING, ROW, SECRET, iter_chain, make_codec, show_everything, store

if TYPE_CHECKING:
    from django_plugin_system.config.tokens import Place


class Account(BaseModel):
    """Two secrets, a list of them, and plain fields."""

    password: SecretStr
    token: SecretStr
    keys: list[SecretStr] = []
    host: str = ""


class Open(BaseModel):
    """A model that takes anything."""

    model_config = ConfigDict(extra="allow")


class PlainPassword(BaseModel):
    """The same fields, once the password is declared as plain text."""

    password: str
    token: SecretStr


STORED = store(Account(password=SecretStr(SECRET), token=SecretStr("t"), keys=[SecretStr("k0"), SecretStr("k1")]))
TOKEN: str = STORED["password"]["$secret"]


def change(**values: Any) -> dict[str, Any]:
    """Return the stored row with some values replaced."""
    return {**copy.deepcopy(STORED), **values}


def refuse(stored: dict[str, Any], error: type[ConfigError], **kwargs: Any) -> ConfigError:
    """Check that a row is refused by ``error`` alone, when read and when given back as input; return the error.

    So it is when given to the row that holds those very tokens, but for positions in a list, which may change.
    """
    codec = make_codec(Account, **kwargs)
    ways: list[Any] = [codec.restore, codec.parse]
    if stored.get("keys") == STORED["keys"]:
        ways.append(lambda data: codec.parse(data, STORED))
    for read in ways:
        with pytest.raises(error) as caught:
            read(stored)
        assert type(caught.value) is error
        assert list(iter_chain(caught.value)) == [caught.value]
        assert SECRET not in show_everything(caught.value)
        assert TOKEN[14:] not in show_everything(caught.value)
    return caught.value


def test_tokens_swapped_between_fields() -> None:
    """The token of one field does not open in another."""
    error = refuse(change(password=STORED["token"], token=STORED["password"]), TamperedToken)
    assert isinstance(error, TamperedToken)
    assert error.path == ("password",)


def test_tokens_swapped_within_a_list() -> None:
    """Even the order of a list's secrets cannot be changed."""
    refuse(change(keys=STORED["keys"][::-1]), TamperedToken)
    refuse(change(keys=STORED["keys"][1:]), TamperedToken)


@pytest.mark.parametrize(
    "row",
    [ROW._replace(row_id="2"), ROW._replace(scope="tests.other"), ROW._replace(item_id="1"), ROW._replace(version=2)],
)
def test_a_config_copied_to_another_row(row: Place) -> None:
    """A whole config, copied to another row or table, does not open there."""
    refuse(STORED, TamperedToken, row=row)


def test_a_token_moved_to_a_plain_field() -> None:
    """A token put where plain text is shown, so that somebody sees it, is refused."""
    error = refuse(change(host=STORED["password"]), TamperedToken)
    assert str(error).startswith("host: ")


def test_a_token_with_another_keys_id() -> None:
    """A token that claims another configured key does not open."""
    ring = KeyRing([b"o" * 32, b"k" * 32])
    relabelled = {"$secret": TOKEN.replace(RING.primary_id, ring.primary_id)}
    refuse(change(password=relabelled), TamperedToken, keyring=ring)


def test_a_token_of_a_key_that_is_gone() -> None:
    """A token whose key is not configured names that key; nothing is guessed."""
    error = refuse(STORED, UnknownKey, keyring=KeyRing([b"o" * 32]))
    assert isinstance(error, UnknownKey)
    assert error.key_id == RING.primary_id


def test_a_token_of_the_intruders_own_key() -> None:
    """A secret encrypted with a key of one's own, under the configured key's id, is refused."""
    mine = store(Account(password=SecretStr("mine"), token=SecretStr("mine")), KeyRing([b"i" * 32]))
    forged = mine["password"]["$secret"].split(".")
    refuse(change(password={"$secret": f"dps1.{RING.primary_id}.{forged[2]}"}), TamperedToken)


@pytest.mark.parametrize(
    "spoiled",
    [TOKEN[:40], TOKEN + "A", TOKEN + "=", "", None, 1, ["x"], {"$secret": TOKEN}],
    ids=["cut", "longer", "padded", "empty", "null", "number", "list", "token in a token"],
)
def test_a_token_cut_or_replaced(spoiled: Any) -> None:
    """What is no token any more is malformed, or tampered with where its form happens to hold."""
    error = refuse_any(change(password={"$secret": spoiled}))
    assert isinstance(error, (MalformedToken, TamperedToken))
    assert error.path == ("password",)


def refuse_any(stored: dict[str, Any]) -> SecretError:
    """Return the error that reading a row gives."""
    with pytest.raises(SecretError) as caught:
        make_codec(Account).restore(stored)
    return caught.value


def test_a_marker_with_further_keys() -> None:
    """A marker with another key beside it is no stored secret and no plain object either."""
    error = refuse(change(password={"$secret": TOKEN, "value": "mine"}), ConfigShapeError)
    assert "alone" in str(error)


def test_a_whole_config_replaced_by_a_token() -> None:
    """A row whose config is one token is refused."""
    refuse({"$secret": TOKEN}, TamperedToken)


def test_a_config_of_another_shape() -> None:
    """A row that does not fit its schema any more says where, without the values."""
    error = refuse_reading({**STORED, "host": ["a secret place"]})
    assert error.errors == (FieldProblem(("host",), "Input should be a valid string"),)
    assert "a secret place" not in show_everything(error)


def refuse_reading(stored: dict[str, Any]) -> StoredConfigInvalid:
    """Return the error that reading a row gives."""
    with pytest.raises(StoredConfigInvalid) as caught:
        make_codec(Account).restore(stored)
    return caught.value


def test_a_secret_never_comes_out_as_plain_text() -> None:
    """Where the schema no longer declares a secret, a stored one is neither read nor taken as input."""
    stored = {key: STORED[key] for key in ("password", "token")}
    reads: list[tuple[Any, type[InvalidConfig]]] = [
        (make_codec(PlainPassword).restore, StoredConfigInvalid),
        (make_codec(PlainPassword).parse, InvalidConfig),
        (make_codec(Open).parse, InvalidConfig),
    ]
    for read, error in reads:
        with pytest.raises(error, match="the schema declares no secret here") as caught:
            read(stored)
        assert ("password",) in {problem.path for problem in caught.value.errors}
        assert SECRET not in show_everything(caught.value)
    assert make_codec(Open).restore(stored).model.model_extra == {}


def test_a_plain_text_where_a_secret_is_declared_is_read_and_sealed_at_the_next_save() -> None:
    """A field that became a secret is readable while its plain text is stored; storing it again encrypts it."""
    codec = make_codec(Account)
    model = codec.restore(change(password="typed before"))
    assert isinstance(model.model, Account)
    assert model.model.password.get_secret_value() == "typed before"
    assert [path for path, _ in iter_markers(codec.store(model))] == [
        ("password",),
        ("token",),
        ("keys", "0"),
        ("keys", "1"),
    ]


def test_a_secret_that_did_not_change_keeps_its_token() -> None:
    """Storing a config anew over its old form changes the tokens of changed secrets only."""
    codec = make_codec(Account)
    stored = codec.store(codec.parse({**STORED, "token": "new", "host": "h"}), STORED)
    assert [stored[name] == STORED[name] for name in ("password", "token", "keys")] == [True, False, True]


def test_tokens_that_cannot_be_kept_are_made_anew() -> None:
    """A token of an older key, of another row, or malformed is not kept when its secret is stored again."""
    codec = make_codec(Account, KeyRing([b"n" * 32, b"k" * 32]))
    model = codec.parse(STORED)
    previous = {**STORED, "token": {"$secret": "x"}, "keys": STORED["keys"][::-1]}
    stored = codec.store(model, previous)
    assert codec.restore(stored).model == model.model
    assert {marker["$secret"].split(".")[1] for _, marker in iter_markers(stored)} == {codec.codec.keyring.primary_id}


def test_storing_does_not_touch_what_it_is_given() -> None:
    """Neither the previous config nor the markers in it are shared with the new one."""
    codec, previous = make_codec(Account), copy.deepcopy(STORED)
    stored = codec.store(codec.parse(previous), previous)
    stored["password"]["$secret"] = "changed"
    assert previous == STORED
