"""Adding an instance as a copy of another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django_plugin_system.models import PluginInstance
from tests.admin.helpers import edit_config, get_row, make_user_client, read_form, url
from tests.admin.sample import CONFIG, SECRET, make_instance

if TYPE_CHECKING:
    from django.test import Client

    from django_plugin_system.models import PluginItem

Items = dict[str, "PluginItem"]


def get_copy_address(row: PluginInstance, item: PluginItem | None = None) -> str:
    """Return the address of a copy of ``row``, of ``item`` if that is given."""
    return f"{url('add')}?item={(item or row.item).pk}&copy={row.pk}"


def test_copy_starts_without_secrets(admin_client: Client, items: Items) -> None:
    """A copy starts with the columns and the configuration of its source, but for the secrets, and says so."""
    config = {**CONFIG, "timeout": 33, "senders": [{"name": "a", "token": SECRET}]}
    row = make_instance(items["twilio"], config=config, priority=4, description="For receipts")
    assert f"copy={row.pk}" in admin_client.get(url("change", row.pk)).content.decode()
    response = admin_client.get(get_copy_address(row))
    page = response.content.decode()
    assert "secrets were not copied" in page
    assert "[stored secret " not in page
    form = read_form(response)
    assert (form["name"], form["priority"], form["description"]) == ("transactional-copy", "4", "For receipts")
    shown = json.loads(form["config"])
    assert (shown["timeout"], shown["auth_token"], shown["senders"][0]["token"]) == (33, "", "")
    refused = admin_client.post(get_copy_address(row), form)
    widget = refused.context["adminform"].form.fields["config"].widget
    assert set(widget.error_map) == {"auth_token", "senders§0§token"}
    admin_client.post(get_copy_address(row), edit_config(form, auth_token="new", senders=[]))
    copied: Any = PluginInstance.objects.get(name="transactional-copy").load_config()
    assert (copied.timeout, copied.auth_token.get_secret_value()) == (33, "new")
    assert get_row(row).load_config().auth_token.get_secret_value() == SECRET


def test_copy_in_text_mode(admin_client: Client, instance: PluginInstance, settings: Any) -> None:
    """Without django_jsonform the JSON text of a copy starts so, too."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_jsonform"]
    shown = json.loads(read_form(admin_client.get(get_copy_address(instance)))["config"])
    assert (shown["account_sid"], shown["auth_token"]) == (CONFIG["account_sid"], "")


def test_copy_of_nothing(admin_client: Client, items: Items, instance: PluginInstance) -> None:
    """An id of no instance, or of another item's, gives an empty form."""
    for address in (
        get_copy_address(instance, items["console"]),
        f"{url('add')}?item={items['twilio'].pk}&copy=nonsense",
        f"{url('add')}?item={items['twilio'].pk}&copy={items['twilio'].pk}",
    ):
        assert read_form(admin_client.get(address))["name"] == ""


def test_copy_needs_to_see_the_source(instance: PluginInstance) -> None:
    """Who may add but not view starts with an empty form; who may view but not add is offered no copy."""
    adder = make_user_client("add_plugininstance")
    assert read_form(adder.get(get_copy_address(instance)))["name"] == ""
    adder.logout()


def test_copy_is_not_offered_to_viewers(instance: PluginInstance) -> None:
    """Who may not add is offered no copy."""
    viewer = make_user_client("view_plugininstance")
    assert "copy=" not in viewer.get(url("change", instance.pk)).content.decode()
