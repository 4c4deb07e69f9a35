"""Tests of secrets that belong to an endpoint, and of values that stand in the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.schema.tree import BoundTo
from tests.admin.checked import declare_checked
from tests.admin.helpers import edit_config, get_row, read_form, url
from tests.admin.sample import SECRET, ConsoleSms, make_instance

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.test import Client

    from django_plugin_system.models import PluginItem

THIEF = "https://thief.example"


class BoundConfig(BaseModel):
    """A secret that goes to one endpoint only."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]
    note: str = ""


class BoundSms(ConfigurablePlugin[BoundConfig], ConsoleSms):
    """Notes where it would send its secret."""

    sent: ClassVar[list[tuple[str, str]]] = []
    behave: ClassVar[Callable[[BoundConfig], None]]

    def check(self) -> None:
        """Send the secret to the endpoint."""
        type(self).sent.append((self.config.endpoint, self.config.token.get_secret_value()))
        type(self).behave(self.config)


@pytest.fixture
def bound(items: dict[str, PluginItem]) -> PluginInstance:
    """Return a stored instance whose secret belongs to its endpoint."""
    BoundSms.sent, BoundSms.behave = [], staticmethod(lambda _config: None)
    item = declare_checked(items["twilio"].plugin_type, BoundSms, "bound")
    return make_instance(item, config={"endpoint": "https://sms.example", "token": SECRET})


def ask(client: Client, row: PluginInstance, **typed: Any) -> dict[str, Any]:
    """Test what is typed over the stored configuration."""
    form = edit_config(read_form(client.get(url("change", row.pk))), **typed)
    response = client.post(url("change", row.pk), {**form, "_test": "1"}, HTTP_ACCEPT="application/json")
    assert SECRET not in response.content.decode()
    answer: dict[str, Any] = response.json()
    return answer


def test_a_kept_secret_is_not_sent_to_another_endpoint(admin_client: Client, bound: PluginInstance) -> None:
    """A test with a changed endpoint is refused at the secret; typed anew it goes there; the row stays as it is."""
    answer = ask(admin_client, bound, endpoint=THIEF)
    assert not answer["passed"]
    assert any(problem.startswith("Token: ") for problem in answer["problems"])
    assert BoundSms.sent == []
    assert ask(admin_client, bound, endpoint=THIEF, token="my own")["passed"]
    assert BoundSms.sent == [(THIEF, "my own")]
    assert ask(admin_client, bound, note="x")["passed"]
    assert BoundSms.sent[1] == ("https://sms.example", SECRET)
    assert get_row(bound).config == bound.config


def test_a_copy_with_secrets_goes_to_the_same_endpoint(admin_client: Client, bound: PluginInstance) -> None:
    """Copying is no way around: the copy's secret belongs to the endpoint as well."""
    data = {"action": "duplicate_with_secrets", "_selected_action": [str(bound.pk)]}
    admin_client.post(url("changelist"), data)
    copied = PluginInstance.objects.get(name="transactional-copy")
    assert any(problem.startswith("Token: ") for problem in ask(admin_client, copied, endpoint=THIEF)["problems"])
    assert BoundSms.sent == []
    assert ask(admin_client, copied)["passed"]
    assert BoundSms.sent == [("https://sms.example", SECRET)]


def test_what_a_reference_gives_is_not_shown(
    admin_client: Client, bound: PluginInstance, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value from the environment counts as a secret, in a plain field too; a copy keeps the reference itself."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
    monkeypatch.setenv("SMS_TOKEN", "token-from-env")
    monkeypatch.setenv("SMS_HOST", "host-from-env")
    config = {"endpoint": {"$env": "SMS_HOST"}, "token": {"$env": "SMS_TOKEN"}}
    row = make_instance(bound.item, "elsewhere", config=config)

    def quote(config: BoundConfig) -> None:
        message = f"refused by {config.endpoint}" if BoundSms.sent[1:] else config.token.get_secret_value()
        raise ConnectionError(message)

    BoundSms.behave = staticmethod(quote)
    for _quoted in ("token", "host"):
        message = ask(admin_client, row)["message"]
        assert "from-env" not in message
        assert "withheld" in message
    assert BoundSms.sent == [("host-from-env", "token-from-env")] * 2
    data = {"action": "duplicate_with_secrets", "_selected_action": [str(row.pk)]}
    admin_client.post(url("changelist"), data)
    copied = PluginInstance.objects.get(name="elsewhere-copy")
    assert {key: copied.config[key] for key in config} == config
