"""Adding an instance as a copy of another one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry

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


def test_nothing_is_saved_as_new(admin_client: Client, instance: PluginInstance) -> None:
    """Django's "save as new", which no page offers, is refused; a copy is made by a page or an action of ours."""
    page = url("change", instance.pk)
    form = {**read_form(admin_client.get(page)), "name": "further", "_saveasnew": "1"}
    assert admin_client.post(page, form).status_code == 403
    assert PluginInstance.objects.count() == 1


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


def copy_with_secrets(client: Client, *rows: PluginInstance) -> str:
    """Run the action on ``rows`` and return the page that follows; no secret is in it."""
    data = {"action": "duplicate_with_secrets", "_selected_action": [str(row.pk) for row in rows]}
    page = client.post(url("changelist"), data, follow=True).content.decode()
    assert SECRET not in page
    return page


def test_copy_with_secrets(admin_client: Client, items: Items) -> None:
    """The copy is encrypted for its own row, disabled, and has a free name; the history of both tells of it."""
    config = {**CONFIG, "timeout": 33, "senders": [{"name": "a", "token": f"{SECRET}-a"}]}
    row = make_instance(items["twilio"], config=config, priority=4, description="For receipts")
    for name in ("transactional-copy", "transactional-copy-2"):
        page = copy_with_secrets(admin_client, row)
        assert f"1 copied with its secrets, and disabled: {name} (twilio)." in page
        made = PluginInstance.objects.get(name=name)
        assert (made.status, made.priority, made.description) == ("disable", 4, "For receipts")
        assert made.load_config() == row.load_config()
        assert made.config["auth_token"] != row.config["auth_token"]
        assert set(made.secret_dates) == set(row.secret_dates)
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")[:2]]
    assert messages == [
        "Copied from transactional (twilio), with its secrets.",
        "Copied to transactional-copy (twilio), with its secrets.",
    ]


def test_copy_of_an_item_without_configuration(admin_client: Client, items: Items) -> None:
    """There are no secrets, and the action works all the same."""
    copy_with_secrets(admin_client, make_instance(items["console"], config={}))
    assert PluginInstance.objects.filter(name="transactional-copy").exists()


def test_copy_of_what_cannot_be_read(admin_client: Client, items: Items, settings: Any) -> None:
    """A secret that cannot be opened cannot be copied; the others are."""
    row = make_instance(items["twilio"])
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
    other = make_instance(items["twilio"], "other")
    page = copy_with_secrets(admin_client, row, other)
    assert "Not copied: " in page
    assert "1 copied with its secrets" in page
    assert set(PluginInstance.objects.values_list("name", flat=True)) == {"transactional", "other", "other-copy"}


@pytest.mark.parametrize("codenames", [("add",), ("change",), ()])
def test_copy_with_secrets_takes_both_permissions(instance: PluginInstance, codenames: tuple[str, ...]) -> None:
    """Who may only add, or only change, is offered no copy with secrets, and a forged post does nothing."""
    client = make_user_client("view_plugininstance", *(f"{name}_plugininstance" for name in codenames))
    assert "duplicate_with_secrets" not in client.get(url("changelist")).content.decode()
    copy_with_secrets(client, instance)
    assert PluginInstance.objects.count() == 1


def test_copy_with_secrets_obeys_rules_for_a_row(
    admin_client: Client, instance: PluginInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project that lets nobody change this row lets nobody copy its secrets."""

    def may(_admin: Any, _request: Any, obj: PluginInstance | None = None) -> bool:
        return obj is None

    monkeypatch.setattr(type(site._registry[PluginInstance]), "has_change_permission", may)  # noqa: SLF001 - as elsewhere
    assert "You may not copy transactional (twilio)." in copy_with_secrets(admin_client, instance)
    assert PluginInstance.objects.count() == 1
