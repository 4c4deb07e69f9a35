"""Pigeon Post, an SMS provider that takes forms with Basic auth and answers with 200 and a line of text, always."""

import base64
from urllib.parse import urlencode

from django.views.decorators.debug import sensitive_variables

from apps.sms.plugins import AbstractSms
from apps.sms.transport import exchange
from apps.sms_pigeon.config import PigeonConfig
from django_plugin_system import ConfigurablePlugin, PluginRejected, PluginUnavailable, plugin_item

_BAD_NUMBER = "21"
_MEANING = {
    "10": "refused the login (error 10). Enter the right one in the admin",
    "40": "has its loft closed (error 40)",
}


@plugin_item(
    AbstractSms, name="pigeon", module="apps.sms_pigeon", priority=20, description="Slow and cheap: forms, Basic auth."
)
class PigeonSms(ConfigurablePlugin[PigeonConfig], AbstractSms):
    """Sends through Pigeon Post's one address."""

    def send(self, number: str, text: str) -> str:
        """Send one message; the id is what follows ``OK``."""
        word, value = self._ask({"do": "send", "to": number, "text": text, **self._options()})
        if word == "OK":
            return value
        if value == _BAD_NUMBER:
            raise PluginRejected(f"Pigeon Post does not fly to {number} (error 21).")
        raise _unavailable(value)

    def check(self) -> None:
        """Ask whether the login is good, which sends nothing."""
        word, value = self._ask({"do": "ping"})
        if word != "OK":
            raise _unavailable(value)

    def _options(self) -> dict[str, str]:
        config = self.config
        options = {"from": config.sender, "route": config.route.value, "tags": ",".join(config.tags)}
        if config.price_limit is not None:
            options["max_price"] = str(config.price_limit)
        if config.reports is not None:
            options |= {"report_to": str(config.reports.url), "report_on": config.reports.on}
        return options

    @sensitive_variables()
    def _ask(self, fields: dict[str, str]) -> tuple[str, str]:
        login = self.config.login
        pair = f"{login.user}:{login.password.get_secret_value()}".encode()
        headers = {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        url, body = str(self.config.endpoint), urlencode(fields).encode()
        answer = exchange("Pigeon Post", url, headers=headers, body=body, timeout=self.config.timeout)
        word, _, value = answer.body.decode(errors="replace").strip().partition(" ")
        return word, value


def _unavailable(code: str) -> PluginUnavailable:
    """Return the error for an answer other than OK; only known codes are explained, unknown text is not quoted."""
    return PluginUnavailable(f"Pigeon Post {_MEANING.get(code, 'gave an answer that is not in its manual')}.")
