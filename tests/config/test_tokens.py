"""One secret as one token: its form, what it is bound to, and what is refused."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from django_plugin_system.config.keyring import KeyRing
from django_plugin_system.config.tokens import Place, get_token_key_id, is_marker, open_token, read_token, seal
from django_plugin_system.exceptions import ConfigShapeError, MalformedToken, TamperedToken, UnknownKey
from tests.config.helpers import RING, ROW, iter_chain

PATH = ("smtp", "password")
PLAIN: list[Any] = ["", "x", "a\nb", "\x00", "emoji 😀 \u2028", "s" * 1_000_000, b"", b"\xff\x00\xfe", 0, -1, 10**30]
MORE: list[Any] = [1.5, True, False, None, [], ["a", {"b": None}], {"$secret": "not a marker once encrypted"}]


def decode(token: str) -> bytes:
    """Return nonce, ciphertext and tag of a token, without the bonds before them."""
    text = token.split(".")[2]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).partition(b"\x00")[2]


@pytest.mark.parametrize("plain", PLAIN + MORE, ids=lambda plain: repr(plain)[:20])
def test_a_secret_comes_back_as_it_was(plain: Any) -> None:
    """Text, raw bytes and any JSON value come back equal and of the same type, also empty, long, or full of NULs."""
    opened = open_token(seal(plain, ROW, PATH, RING), ROW, PATH, RING).value
    assert opened == plain
    assert type(opened) is type(plain)


def test_the_form_of_a_token() -> None:
    """A stored secret is an object with the one key ``$secret``; its token is version, key id and base64url."""
    marker = seal(b"", ROW, PATH, RING)
    assert list(marker) == ["$secret"]
    assert re.fullmatch(rf"dps1\.{RING.primary_id}\.[A-Za-z0-9_-]{{40}}", marker["$secret"])
    assert get_token_key_id(marker["$secret"]) == RING.primary_id


def test_the_documented_format_opens_without_this_package() -> None:
    """Nonce, AES-256-GCM and the associated data are as documented, so another program can read a token."""
    tree = {"a.b": [{"to": 5, "0": {}}]}
    for bonds, bound_to in (((), "[]"), (((1, "to"), (3, None)), '[[1,"to",[5]],[3,null,["a.b"]]]')):
        token = seal("text", ROW, ("a.b", "0", "0"), RING, tree, bonds)["$secret"]
        sealed = decode(token)
        place = f'["dps1","{RING.primary_id}","tests.row","1","2","",3,["a.b",0,"0"],{bound_to}]'.encode()
        assert AESGCM(b"k" * 32).decrypt(sealed[:12], sealed[12:], place) == b'j"text"'
        header = b'[[1,"to"],[3,null]]' if bonds else b""
        assert base64.urlsafe_b64decode(token.split(".")[2] + "==").startswith(header + b"\x00")


def test_each_token_has_a_nonce_of_its_own() -> None:
    """The same secret encrypted many times gives as many tokens."""
    tokens = {seal("same", ROW, PATH, RING)["$secret"] for _ in range(200)}
    assert len({decode(token)[:12] for token in tokens}) == 200


@pytest.mark.parametrize(
    ("row", "path"),
    [
        (ROW._replace(row_id="2"), PATH),
        (ROW._replace(scope="other.table"), PATH),
        (ROW._replace(item_id="1"), PATH),
        (ROW._replace(version=2), PATH),
        (ROW, ("smtp", "token")),
        (ROW, ("smtp.password",)),
        (ROW, ("password",)),
        (ROW, ()),
    ],
)
def test_a_token_opens_only_where_it_was_made(row: Place, path: tuple[str, ...]) -> None:
    """A token in another row, table or field does not open, however similar the path looks."""
    with pytest.raises(TamperedToken) as caught:
        open_token(seal("x", ROW, PATH, RING), row, path, RING)
    assert caught.value.path == path
    assert list(iter_chain(caught.value)) == [caught.value]


def test_every_flipped_bit_is_noticed() -> None:
    """A change of any single character of the payload is tampering, or no token at all."""
    head, _, text = seal("x", ROW, PATH, RING)["$secret"].rpartition(".")
    for index, character in enumerate(text):
        changed = text[:index] + ("B" if character != "B" else "C") + text[index + 1 :]
        with pytest.raises((TamperedToken, MalformedToken)):
            open_token({"$secret": f"{head}.{changed}"}, ROW, PATH, RING)


def test_a_token_names_its_key() -> None:
    """A token of a key that is not configured names that key and the configured ones."""
    other = KeyRing([b"o" * 32, b"p" * 32])
    with pytest.raises(UnknownKey) as caught:
        open_token(seal("x", ROW, PATH, RING), ROW, PATH, other)
    assert (caught.value.key_id, caught.value.configured) == (RING.primary_id, other.key_ids)
    assert all(key_id in str(caught.value) for key_id in (RING.primary_id, *other.key_ids))


def test_a_relabelled_token_does_not_open() -> None:
    """Writing another configured key's id into a token is tampering."""
    both = KeyRing([b"k" * 32, b"o" * 32])
    token = seal("x", ROW, PATH, RING)["$secret"].replace(RING.primary_id, both.key_ids[1])
    with pytest.raises(TamperedToken):
        open_token({"$secret": token}, ROW, PATH, both)


def test_later_keys_of_the_ring_open_too() -> None:
    """The first key encrypts, all decrypt."""
    both = KeyRing([b"o" * 32, b"k" * 32])
    assert open_token(seal("x", ROW, PATH, RING), ROW, PATH, both).value == "x"
    assert get_token_key_id(seal("x", ROW, PATH, both)["$secret"]) == both.primary_id != RING.primary_id


def make_short() -> str:
    """Return a token that is long by its bonds, and holds too little beside them."""
    data = b"[" + b" " * 30 + b"]\x00" + b"x" * 28
    return f"dps1.{RING.primary_id}.{base64.urlsafe_b64encode(data).rstrip(b'=').decode()}"


def spoil(token: str) -> dict[str, Any]:
    """Return values, by what is wrong with them, that are no tokens."""
    head, _, text = token.rpartition(".")
    return {
        "empty": "",
        "short": make_short(),
        "none": None,
        "number": 5,
        "list": [token],
        "bytes": token.encode(),
        "a marker": {"$secret": token},
        "version": "dps2" + token[4:],
        "upper-case key id": head.upper() + "." + text,
        "too short": f"{head}.{text[:38]}",
        "length that base64 does not have": f"{head}.{(text + 'A' * 8)[:41]}",
        "padding": token + "==",
        "newline": token + "\n",
        "space": " " + token,
        "standard base64": f"{head}.{'+/' * 20}",
        "further part": token + ".x",
        "not ASCII": f"{head}.{'é' * 40}",
    }


TOKEN = seal("x", ROW, PATH, RING)["$secret"]


@pytest.mark.parametrize("spoiled", spoil(TOKEN).values(), ids=spoil(TOKEN).keys())
def test_what_is_no_token_is_called_malformed(spoiled: Any) -> None:
    """What has not the exact form of a token is refused before anything is decrypted, without being quoted."""
    with pytest.raises(MalformedToken) as caught:
        open_token({"$secret": spoiled}, ROW, PATH, RING)
    assert caught.value.path == PATH
    assert TOKEN[14:] not in str(caught.value)


def test_unused_bits_of_the_last_character_are_malformed() -> None:
    """Of the base64 texts that decode to the same bytes only the canonical one is a token."""
    token = seal("", ROW, PATH, RING)["$secret"]  # 31 bytes: the last character holds four unused bits
    twins = [token[:-1] + chr(ord(token[-1]) + offset) for offset in (-3, -2, -1, 1, 2, 3)]
    same = [twin for twin in twins if re.fullmatch(r"[\w.-]+", twin) and decode(twin) == decode(token)]
    assert same
    for twin in same:
        with pytest.raises(MalformedToken):
            open_token({"$secret": twin}, ROW, PATH, RING)


def test_a_marker_stands_alone() -> None:
    """``$secret`` together with another key is a shape error, and an object without it is no marker."""
    with pytest.raises(ConfigShapeError, match="alone"):
        read_token({"$secret": TOKEN, "note": "x"}, PATH)
    assert is_marker({"$secret": 1, "x": 2})
    assert not any(map(is_marker, ({}, {"secret": 1}, "$secret", ["$secret"], None)))


def test_a_token_is_plain_ascii_json() -> None:
    """A stored secret survives JSON without escapes."""
    marker = seal("😀", ROW, PATH, RING)
    assert json.loads(json.dumps(marker)) == marker
    assert marker["$secret"].isascii()
