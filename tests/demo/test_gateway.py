"""The stand-in providers, spoken to directly."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request

import pytest

if TYPE_CHECKING:
    from tests.demo.running import Demo

pytestmark = pytest.mark.sqlite

MESSAGE = json.dumps({"from": "Test", "to": "+15550100123", "text": "Straight to the gateway"}).encode()


def ask_swiftline(demo: Demo, token: str, body: bytes) -> tuple[int, dict[str, str]]:
    """Post ``body`` with a bearer ``token``; return status and answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(f"{demo.url}/gateway/swiftline/v1/messages", body, headers)  # noqa: S310 - loopback
    try:
        with demo.opener.open(request) as response:
            return response.status, json.load(response)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def ask_pigeon(demo: Demo, authorization: str, **fields: str) -> str:
    """Post a form with this Authorization header; return the line that comes back."""
    headers = {"Authorization": authorization}
    request = Request(f"{demo.url}/gateway/pigeon/send", urlencode(fields).encode(), headers)  # noqa: S310 - loopback
    with demo.opener.open(request) as response:
        return str(response.read().decode())


def pair(user: str, password: str) -> str:
    """Return the Authorization header of Basic auth."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize("token", ["", "wrong"])
def test_swiftline_answers_401_to_a_wrong_token(demo: Demo, token: str) -> None:
    """Whoever does not know the token gets no message into the outbox."""
    assert ask_swiftline(demo, token, MESSAGE) == (401, {"error": "the token is wrong"})
    assert "Straight to the gateway" not in demo.get().text


def test_swiftline_takes_a_message_from_a_customer(demo: Demo) -> None:
    """The right token and a whole message: 202 with an id."""
    body = MESSAGE.replace(b"Straight", b"Rightly")
    status, answer = ask_swiftline(demo, demo.local["swiftline_token"], body)
    assert status == 202
    assert answer["id"].startswith("sw-")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"from": "Test", "to": 1, "text": "x"}', b'{"text": "x"}'])
def test_swiftline_answers_400_to_what_is_no_message(demo: Demo, body: bytes) -> None:
    """A body in a wrong shape is named as such."""
    status, answer = ask_swiftline(demo, demo.local["swiftline_token"], body)
    assert (status, answer) == (400, {"error": "send a JSON object with from, to and text"})


@pytest.mark.parametrize("login", ["", "Bearer x", "Basic ???", pair("frontdesk", "wrong"), pair("else", "wrong")])
def test_pigeon_answers_error_10_to_a_wrong_login(demo: Demo, login: str) -> None:
    """Whoever does not know the password is told so, in the provider's own way."""
    assert ask_pigeon(demo, login, do="ping") == "ERR 10"


def test_pigeon_answers_error_30_to_an_unknown_request(demo: Demo) -> None:
    """Only send and ping are known."""
    assert ask_pigeon(demo, pair("frontdesk", demo.local["pigeon_password"]), do="dance") == "ERR 30"
