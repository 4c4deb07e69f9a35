"""Swiftline, an SMS provider that speaks JSON and wants a bearer token."""

import json
from http import HTTPStatus
from typing import Annotated

from django.views.decorators.debug import sensitive_variables
from pydantic import BaseModel, Field, HttpUrl, SecretStr

from apps.sms.plugins import AbstractSms
from apps.sms.transport import Answer, exchange
from django_plugin_system import BoundTo, ConfigurablePlugin, PluginRejected, PluginUnavailable, plugin_item


class SwiftlineConfig(BaseModel):
    """One account at Swiftline."""

    base_url: HttpUrl = Field(title="Base URL", description="Where the API starts, such as https://api.example/v1")
    token: Annotated[SecretStr, BoundTo("base_url")] = Field(title="Bearer token", min_length=1)
    sender: str = Field(
        title="Sender", description="What the phone shows; up to 11 characters", pattern=r"^[\w ]{1,11}$"
    )
    timeout: float = Field(default=5, title="Timeout", description="Seconds", gt=0, le=60)


@plugin_item(
    AbstractSms,
    name="swiftline",
    module="apps.sms_swiftline",
    priority=10,
    description="Fast and dear: JSON, bearer token.",
)
class SwiftlineSms(ConfigurablePlugin[SwiftlineConfig], AbstractSms):
    """Sends through Swiftline's ``/messages``."""

    @sensitive_variables()
    def send(self, number: str, text: str) -> str:
        """Send one message; the id is Swiftline's ``id``."""
        message = {"from": self.config.sender, "to": number, "text": text}
        answer = self._call("messages", json.dumps(message).encode())
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise PluginRejected(f"Swiftline does not deliver to {number} (422).")
        _expect(answer, HTTPStatus.ACCEPTED)
        return str(json.loads(answer.body)["id"])

    def check(self) -> None:
        """Ask for the account, which costs nothing and needs the token."""
        _expect(self._call("account"), HTTPStatus.OK)

    @sensitive_variables()
    def _call(self, path: str, body: bytes | None = None) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.config.token.get_secret_value()}",
            "Content-Type": "application/json",
        }
        url = f"{str(self.config.base_url).rstrip('/')}/{path}"
        return exchange("Swiftline", url, headers=headers, body=body, timeout=self.config.timeout)


def _expect(answer: Answer, status: HTTPStatus) -> None:
    """Raise PluginUnavailable unless the answer has this status; its text is not quoted, it may echo the token."""
    if answer.status == HTTPStatus.UNAUTHORIZED:
        raise PluginUnavailable("Swiftline refused the bearer token (401). Enter the right one in the admin.")
    if answer.status != status:
        raise PluginUnavailable(f"Swiftline answered {answer.status}.")
