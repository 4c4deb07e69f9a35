"""An OAuth 2 server on loopback, whose refresh tokens work once."""

from __future__ import annotations

import base64
import itertools
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT_ID, CLIENT_SECRET = "shop", "planted-client-secret"
FIRST_REFRESH_TOKEN = "planted-refresh-0"


class TokenServer(ThreadingHTTPServer):
    """Hands out tokens that live ``expires_in``; ``failing`` is a status to answer with instead, with ``failure``."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        """Listen on a free port."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lock, self.numbers = threading.Lock(), itertools.count(1)
        self.current = FIRST_REFRESH_TOKEN
        self.expires_in = 3600.0
        self.failing, self.failure = 0, dict[str, Any]()
        self.refreshes = self.refused = self.granted = 0
        self.holder = ""
        """Which process has the last refresh token, if it says so."""
        self.gone = set[str]()
        """Processes that were killed: what they have asked for is not done any more."""

    @property
    def url(self) -> str:
        """The token endpoint."""
        return f"http://127.0.0.1:{self.server_address[1]}/token"

    def answer(self, form: dict[str, str], credentials: str) -> tuple[int, dict[str, Any]]:
        """Return status and body for one request."""
        process = form.get("process", "")
        with self.lock:
            if process in self.gone:
                return 400, {}
            if self.failing:
                return self.failing, self.failure
            if credentials != f"{CLIENT_ID}:{CLIENT_SECRET}":
                self.refused += 1
                return 401, {"error": "invalid_client"}
            refreshed = {}
            if form["grant_type"] == "client_credentials":
                self.granted += 1
            elif form["refresh_token"] != self.current:
                self.refused += 1
                return 400, {"error": "invalid_grant"}
            else:
                self.refreshes += 1
                self.holder = process
                self.current = refreshed["refresh_token"] = f"planted-refresh-{self.refreshes}"
            token = f"access-{next(self.numbers)}"
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in, **refreshed}


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        """Answer the token endpoint."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        basic = base64.b64decode(self.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode()
        status, answer = self.server.answer(form, basic)
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@contextmanager
def running_token_server() -> Iterator[TokenServer]:
    """Yield a server; it ends with the block."""
    with TokenServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
