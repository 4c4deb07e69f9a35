"""Renaming an entry of a dict with secrets, down to the row: what is kept, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.registry import ItemSpec, registry
from django_plugin_system.schema.tree import BoundTo
from tests.admin.helpers import edit_config, get_row, read_form, url
from tests.admin.sample import SECRET, AbstractSms

if TYPE_CHECKING:
    from django.test import Client


class Account(BaseModel):
    """A token that belongs to an endpoint."""

    endpoint: str
    token: Annotated[SecretStr, BoundTo("endpoint")]


class Accounts(BaseModel):
    """Accounts by name."""

    accounts: dict[str, Account]


class ManySms(ConfigurablePlugin[Accounts], AbstractSms):
    """An item with several accounts."""

    def send(self, number: str, text: str) -> str:
        """Do nothing."""
        return f"{number} {text}"


@pytest.fixture
def row(items: dict[str, PluginItem]) -> PluginInstance:
    """Return a stored instance with one account."""
    registry.add_item(ItemSpec("many", "apps.many", ManySms, ("sms", "apps.sms")))
    item = PluginItem.objects.create(plugin_type=items["twilio"].plugin_type, name="many", module="apps.many")
    config = {"accounts": {"main": {"endpoint": "https://good", "token": SECRET}}}
    return PluginInstance.objects.create(item=item, name="x", config=config)


def rename(client: Client, row: PluginInstance, **values: Any) -> Any:
    """Post the form with the account under another key, and with other values."""
    form = read_form(client.get(url("change", row.pk)))
    entry = json.loads(form["config"])["accounts"][0]
    renamed = {"key": "renamed", "value": {**entry["value"], **values}}
    return client.post(url("change", row.pk), edit_config(form, accounts=[renamed]))


def test_renamed_entry_keeps_its_secret(admin_client: Client, row: PluginInstance) -> None:
    """The secret is encrypted anew for its new key, and need not be typed."""
    assert rename(admin_client, row).status_code == 302
    config: Any = get_row(row).load_config()
    assert [*config.accounts] == ["renamed"]
    assert config.accounts["renamed"].token.get_secret_value() == SECRET
    assert get_row(row).load_plugin().send("1", "text") == "1 text"


def test_renaming_does_not_redirect_a_bound_secret(admin_client: Client, row: PluginInstance) -> None:
    """Who renames an entry and changes its endpoint at once must type the secret again."""
    response = rename(admin_client, row, endpoint="https://evil")
    assert "belongs to endpoint" in response.content.decode()
    assert SECRET not in response.content.decode()
    config: Any = get_row(row).load_config()
    assert config.accounts["main"].endpoint == "https://good"
    assert rename(admin_client, row, endpoint="https://other", token="typed").status_code == 302
