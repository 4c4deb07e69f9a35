"""A refused save keeps the secret that was typed: in the browser, encrypted for this user, row and field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.helpers import edit_config, get_row, open_change, read_form, save_change, url
from tests.admin.sample import SECRET, SID, make_instance

if TYPE_CHECKING:
    from typing import Any

NEW = f"{SECRET}-new"
queries = pytest.mark.parametrize("query", ["", "&json=1"])


def refuse(client: Client, row: PluginInstance, query: str = "") -> dict[str, str]:
    """Type a secret beside a wrong value, and return the form that comes back."""
    form = read_form(client.get(f"{url('change', row.pk)}?{query}"))
    response = save_change(client, row, edit_config(form, timeout=-1, auth_token=NEW), f"?{query}")
    return edit_config(read_form(response), timeout=5)


def get_token(row: PluginInstance) -> str:
    """Return the stored secret."""
    token: str = get_row(row).load_config().auth_token.get_secret_value()
    return token


def get_errors(response: Any) -> list[str]:
    """Return what is said about the configuration."""
    found: list[str] = response.context["adminform"].form.errors["config"]
    return found


@queries
def test_a_refused_change_keeps_it(admin_client: Client, instance: PluginInstance, query: str) -> None:
    """The next save stores it, and it did not stand in the page meanwhile."""
    form = refuse(admin_client, instance, query)
    assert get_token(instance) == SECRET
    assert save_change(admin_client, instance, form, f"?{query}").status_code == 302
    assert get_token(instance) == NEW


@queries
def test_a_refused_new_row_keeps_it(admin_client: Client, items: dict[str, PluginItem], query: str) -> None:
    """On its own page, and on no other page of a new row."""
    address = f"{url('add')}?item={items['twilio'].pk}{query}"
    form = edit_config(read_form(admin_client.get(address)), account_sid="wrong", auth_token=NEW)
    shown = admin_client.post(address, {**form, "name": "x"})
    assert NEW not in shown.content.decode()
    again = edit_config(read_form(shown), account_sid=SID)
    other = {**read_form(admin_client.get(address)), "name": "y", "config": again["config"]}
    assert "Type the secret again" in str(get_errors(admin_client.post(address, other)))
    assert admin_client.post(address, again).status_code == 302
    assert get_token(PluginInstance.objects.get()) == NEW


def test_it_is_of_no_use_to_others(
    admin_client: Client, instance: PluginInstance, items: dict[str, PluginItem]
) -> None:
    """Another operator, another row, code: each is asked for the secret itself."""
    form = refuse(admin_client, instance)
    text = json.loads(form["config"])["auth_token"]
    client = Client()
    client.force_login(User.objects.create_superuser("other"))
    assert "Type the secret again" in str(get_errors(save_change(client, instance, form)))
    neighbour = make_instance(items["twilio"], "neighbour")
    sent = edit_config(open_change(admin_client, neighbour), auth_token=text)
    assert "Type the secret again" in str(get_errors(save_change(admin_client, neighbour, sent)))
    assert {get_token(instance), get_token(neighbour)} == {SECRET}
