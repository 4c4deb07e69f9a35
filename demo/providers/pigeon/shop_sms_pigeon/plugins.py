"""Pigeon Air: the configuration of an account, and how a message is sent with it."""

import base64
from http.client import HTTPException
from typing import Annotated
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.views.decorators.debug import sensitive_variables
from pydantic import BaseModel, Field, HttpUrl, SecretStr

from apps.sms.plugins import AbstractSms
from django_plugin_system import (
    BoundTo,
    ConfigurablePlugin,
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
    plugin_item,
)

BAD_LOGIN, BAD_NUMBER = "10", "21"
TIMEOUT = 10
"""Seconds. Without one, a provider that hangs would hold a process of the shop for ever."""


class NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, which would take the password along to wherever it leads."""

    def redirect_request(self, *_args: object) -> None:
        """Return nothing to follow: the answer counts as an error."""


OPENER = build_opener(NoRedirects)


class PigeonAirConfig(BaseModel):
    """One account."""

    endpoint: HttpUrl = Field(title="Endpoint")
    user: str = Field(title="User", min_length=1)
    password: Annotated[SecretStr, BoundTo("endpoint")] = Field(title="Password")
    sender: str = Field(title="Sender", description="Up to 11 characters.", pattern=r"^[\w ]{1,11}$")


@plugin_item(AbstractSms, name="pigeon_air", module="shop_sms_pigeon", priority=30, description="Fast, and dear.")
class PigeonAirSms(ConfigurablePlugin[PigeonAirConfig], AbstractSms):
    """Sends by way of one address, which takes forms and answers with a line of text."""

    def send(self, number: str, text: str) -> str:
        """Send one message; the id is what follows ``OK``."""
        fields = {"do": "send", "to": number, "text": text, "from": self.config.sender, "route": "express"}
        return self._ask(number, **fields)

    def check(self) -> None:
        """Ask whether the login is good, which sends nothing."""
        self._ask("", do="ping")

    @sensitive_variables()
    def _ask(self, number: str, **fields: str) -> str:
        login = f"{self.config.user}:{self.config.password.get_secret_value()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(login).decode()}"}
        request = Request(str(self.config.endpoint), urlencode(fields).encode(), headers)  # noqa: S310 - an HttpUrl
        said = b""
        failure: Exception | None = None
        try:
            with OPENER.open(request, timeout=TIMEOUT) as answer:
                said = answer.read(1000)
        except HTTPError as error:
            failure = PluginUnavailable(f"Pigeon Air answered {error.code}.")
        except URLError:
            failure = PluginUnavailable("Pigeon Air cannot be reached.")
        except (HTTPException, OSError):
            failure = PluginOutcomeUnknown("Pigeon Air took the request and did not answer.")
        if failure:  # raised out here: the errors above hold frames that hold the password
            raise failure
        word, _, value = said.decode(errors="replace").strip().partition(" ")
        if word == "OK":
            return value
        if value == BAD_LOGIN:
            raise PluginCredentialsRefused("Pigeon Air refused the login. Enter the right one in the admin.")
        if value == BAD_NUMBER:
            raise PluginRejected(f"Pigeon Air does not fly to {number}.")
        raise PluginUnavailable("Pigeon Air cannot serve now.")
