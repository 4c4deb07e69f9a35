"""A plugin with tokens of a server whose refresh tokens work once."""

from __future__ import annotations

import base64
import json
import os
import time
import urllib.error
import urllib.request
from typing import Any, ClassVar
from urllib.parse import urlencode

from pydantic import BaseModel, SecretBytes, SecretStr

from django_plugin_system import ConfigurablePlugin
from django_plugin_system.exceptions import PluginCredentialsRefused
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, declare_item, declare_type
from tests.support.rows import add_instance
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, FIRST_REFRESH_TOKEN


class CrmConfig(BaseModel):
    """Where the tokens come from."""

    url: str
    secret: SecretStr = SecretStr(CLIENT_SECRET)


class Tokens(BaseModel):
    """What the server hands out."""

    access: SecretStr
    refresh: SecretStr
    key: SecretBytes = SecretBytes(b"\xff\x00")
    expires_at: float
    cursor: str | None = None


class Crm(ConfigurablePlugin[CrmConfig], AbstractSms):
    """A provider with tokens that expire."""

    state_schema = Tokens
    seen: ClassVar[list[str]] = []
    lease: ClassVar[float] = 60

    def check(self) -> None:
        """Call."""
        self.seen.append(self.send("x"))

    def send(self, text: str) -> str:
        """Call with a token that is fresh."""
        tokens = self.renew_state(self.refresh, stale=lambda tokens: tokens.expires_at < time.time(), lease=self.lease)
        return f"{text} {tokens.access.get_secret_value()}"

    def refresh(self, tokens: Tokens | None) -> Tokens:
        """Use the refresh token."""
        return fetch(self.config.url, tokens.refresh.get_secret_value() if tokens else FIRST_REFRESH_TOKEN)


def fetch(url: str, refresh_token: str) -> Tokens:
    """Return new tokens of the server."""
    asked = {"grant_type": "refresh_token", "refresh_token": refresh_token, "process": os.getpid()}
    form = urlencode(asked).encode()
    basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    request = urllib.request.Request(url, form, {"Authorization": f"Basic {basic}"})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - loopback
            found = json.load(response)
    except urllib.error.HTTPError as error:
        status = error.code
        error.close()
    else:
        return Tokens(
            access=found["access_token"],
            refresh=found["refresh_token"],
            expires_at=time.time() + found["expires_in"],
        )
    raise PluginCredentialsRefused(str(status))


def declare() -> None:
    """Register the plugin."""
    declare_type()
    declare_item(Crm)


def set_up(url: str) -> Any:
    """Store an instance that gets its tokens there."""
    declare()
    sync_registered_plugins_to_db()
    return add_instance(config={"url": url})
