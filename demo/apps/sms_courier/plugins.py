"""Courier: a key is configured, a token is handed out, and renewed by one process at a time when it ends."""

import json
import time
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from django.views.decorators.debug import sensitive_variables
from pydantic import BaseModel, Field, HttpUrl, SecretStr

from apps.sms.plugins import AbstractSms
from apps.sms.transport import exchange
from django_plugin_system import (
    BoundTo,
    ConfigurablePlugin,
    PluginCredentialsRefused,
    PluginRejected,
    PluginUnavailable,
    plugin_item,
)

MARGIN = 2
"""Seconds before its end from which on a token is not used any more."""


class CourierConfig(BaseModel):
    """One account at Courier."""

    base_url: HttpUrl = Field(title="Base URL")
    key: Annotated[SecretStr, BoundTo("base_url")] = Field(title="Key", min_length=1)
    sender: str = Field(title="Sender", description="Up to 11 characters", pattern=r"^[\w ]{1,11}$")


class Token(BaseModel):
    """What Courier hands out; ``number`` counts how often it did."""

    access: SecretStr
    number: int
    expires_at: float


@plugin_item(
    AbstractSms, name="courier", module="apps.sms_courier", priority=15, description="Tokens that renew themselves."
)
class CourierSms(ConfigurablePlugin[CourierConfig], AbstractSms):
    """Sends with a token that every process shares."""

    state_schema = Token

    @sensitive_variables()
    def send(self, number: str, text: str) -> str:
        """Send one message; the receipt also says with which token."""
        token = self.renew_state(self.fetch, stale=lambda token: token.expires_at < time.time() + MARGIN)
        fields = {"from": self.config.sender, "to": number, "text": text}
        answer = self._call("messages", fields, {"Authorization": token.access.get_secret_value()})
        return f"{answer['id']} with token {token.number}"

    def check(self) -> None:
        """Ask for a token, and throw it away."""
        self.fetch(None)

    @sensitive_variables()
    def fetch(self, token: Token | None) -> Token:
        """Ask for a new token."""
        answer = self._call("token", {"key": self.config.key.get_secret_value()}, {})
        return Token(access=answer["token"], number=token.number + 1 if token else 1, expires_at=answer["expires_at"])

    @sensitive_variables()
    def _call(self, path: str, fields: dict[str, str], headers: dict[str, str]) -> Any:
        url = f"{str(self.config.base_url).rstrip('/')}/{path}"
        answer = exchange("Courier", url, headers=headers, body=urlencode(fields).encode(), timeout=5)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            raise PluginCredentialsRefused("Courier refused the key or the token (401).")
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise PluginRejected("Courier does not deliver to this number (422).")
        if answer.status != HTTPStatus.OK:
            raise PluginUnavailable(f"Courier answered {answer.status}.")
        return json.loads(answer.body)
