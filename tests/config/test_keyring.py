"""Keys: how they are read, named, ordered and hidden."""

from __future__ import annotations

import base64
import copy
import pickle
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from django_plugin_system.config import keyring
from django_plugin_system.config.keyring import KeyRing, derive_key, get_key_id, get_keyring, make_key, parse_key
from django_plugin_system.exceptions import InvalidSetting

if TYPE_CHECKING:
    from pytest_django import Settings

KEY = bytes(range(224, 256))
"""A key whose base64 differs in the two alphabets."""


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_both_alphabets_of_base64_are_read(encode: object) -> None:
    """A key may be written in standard or URL-safe base64, with white space around it."""
    assert callable(encode)
    assert parse_key(f" {encode(KEY).decode()}\n") == KEY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "é" * 44,
        "A" * 43,
        "A" * 44,
        base64.b64encode(KEY[1:]).decode(),
        "AA AA" * 9,
        "A" * 88,
        "A" * 43 + "=",
        base64.b64encode(b"k" * 32).decode(),
    ],
)
def test_what_is_no_key_is_refused_unquoted(text: str) -> None:
    """A key of another length, or no base64, is refused by its position; its text does not show."""
    with pytest.raises(InvalidSetting, match="entry 3 must be 32 random bytes") as caught:
        parse_key(text, 3)
    assert len(text) < 5 or text not in str(caught.value)
    assert caught.value.setting == "PLUGIN_SYSTEM['ENCRYPTION_KEYS']"


def test_fresh_keys_are_good_and_different() -> None:
    """``make_key`` gives a key that the setting takes, another one each time."""
    keys = {make_key() for _ in range(20)}
    assert len({parse_key(key) for key in keys}) == 20


def test_a_ring_names_its_keys() -> None:
    """Key ids are eight hex digits, in the order of the keys; an unknown id has no cipher."""
    ring = KeyRing([b"a" * 32, b"b" * 32])
    assert ring.key_ids == (get_key_id(b"a" * 32), get_key_id(b"b" * 32))
    assert ring.primary_id == ring.key_ids[0]
    assert all(len(bytes.fromhex(key_id)) == 4 for key_id in ring.key_ids)
    with pytest.raises(KeyError):
        ring.decrypt("00000000", b"", b"", b"")


@pytest.mark.parametrize("keys", [[], [KEY, KEY]], ids=["none", "twice"])
def test_no_key_and_the_same_key_twice_are_refused(keys: list[bytes]) -> None:
    """A ring holds at least one key, and each once."""
    with pytest.raises(InvalidSetting, match="each key once"):
        KeyRing(keys)


def test_a_ring_hides_its_keys() -> None:
    """``repr`` and ``str`` show key ids only; pickling and copying are refused."""
    ring = KeyRing([KEY])
    assert repr(ring) == str(ring) == f"<KeyRing {get_key_id(KEY)}>"
    for carry in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="do not pickle"):
            carry(ring)
    assert not hasattr(ring, "__dict__")


@pytest.mark.parametrize("secret", ["a secret key", b"a secret key"])
def test_the_derived_key_is_hkdf_of_the_secret_key(secret: str | bytes) -> None:
    """Without a key of its own the first one is HKDF-SHA256 of ``SECRET_KEY``, text or bytes."""
    expected = HKDF(hashes.SHA256(), 32, salt=None, info=b"django-plugin-system key v1").derive(b"a secret key")
    assert derive_key(secret) == expected


def test_derived_keys_follow_the_secret_keys(settings: Settings) -> None:
    """``SECRET_KEY`` encrypts, each fallback decrypts; twice the same counts once; a change counts at once."""
    settings.PLUGIN_SYSTEM = {}
    settings.SECRET_KEY = "new"
    settings.SECRET_KEY_FALLBACKS = ["old", "new", "older"]
    assert keyring.uses_derived_keys()
    assert get_keyring().key_ids == tuple(get_key_id(derive_key(secret)) for secret in ("new", "old", "older"))
    settings.SECRET_KEY_FALLBACKS = []
    assert get_keyring().key_ids == (get_key_id(derive_key("new")),)


def test_configured_keys_replace_the_derived_one(settings: Settings) -> None:
    """With ``ENCRYPTION_KEYS`` nothing is derived; the ring is kept until the setting changes."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [base64.b64encode(KEY).decode(), make_key()]}
    assert not keyring.uses_derived_keys()
    assert get_keyring().primary_id == get_key_id(KEY)
    assert get_keyring() is get_keyring()
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["short"]}
    with pytest.raises(InvalidSetting, match="entry 0"):
        get_keyring()
