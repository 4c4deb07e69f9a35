"""The token server that tests and benchmarks renew states from."""

from __future__ import annotations

from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, FIRST_REFRESH_TOKEN, TokenServer


def test_a_killed_process_asks_in_vain() -> None:
    """What it had asked for before it died is not done any more: the refresh token stays good."""
    with TokenServer() as server:
        server.gone.add("first")
        form = {"grant_type": "refresh_token", "refresh_token": FIRST_REFRESH_TOKEN, "process": "first"}
        assert server.answer(form, f"{CLIENT_ID}:{CLIENT_SECRET}") == (400, {})
        status, answer = server.answer({**form, "process": "second"}, f"{CLIENT_ID}:{CLIENT_SECRET}")
        assert (status, server.refreshes, server.refused) == (200, 1, 0)
        assert answer["refresh_token"] != FIRST_REFRESH_TOKEN
