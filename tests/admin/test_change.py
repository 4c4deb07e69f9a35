"""Changing an instance: secrets kept, edits checked, stale forms refused."""

from __future__ import annotations

import json
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client

from django_plugin_system.config import tokens
from django_plugin_system.config.tokens import open_token
from django_plugin_system.models import PluginInstance, PluginStatus
from tests.admin.helpers import (
    edit_config,
    get_raw_config,
    get_row,
    make_user_client,
    open_change,
    read_form,
    save_change,
    url,
)
from tests.admin.sample import CONFIG, SECRET, TwilioSms, make_instance
from tests.support.elsewhere import run_elsewhere
from tests.support.health import set_health

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.test import RequestFactory

    from django_plugin_system.models import PluginItem

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def test_unchanged_save_leaves_the_config_byte_identical(admin_client: Client, instance: PluginInstance) -> None:
    """Opening and saving does not even encrypt anew, and the history says that nothing changed."""
    before = get_raw_config(instance)
    assert save_change(admin_client, instance, open_change(admin_client, instance)).status_code == 302
    assert get_raw_config(instance) == before
    assert LogEntry.objects.get().get_change_message() == "No fields changed."


def test_a_save_opens_a_token_twice(
    admin_client: Client, instance: PluginInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once to draw the form that the answer is read by, once to store what it says."""
    form = open_change(admin_client, instance)
    opened = []

    def note(*given: Any) -> Any:
        opened.append(given)
        return open_token(*given)

    monkeypatch.setattr(tokens, "open_token", note)
    assert save_change(admin_client, instance, edit_config(form, timeout=4)).status_code == 302
    assert len(opened) == 2


def test_page_holds_no_secret_and_no_token(admin_client: Client, instance: PluginInstance) -> None:
    """The page has a placeholder, not the secret nor what it is encrypted to."""
    page = admin_client.get(url("change", instance.pk)).content.decode()
    assert SECRET not in page
    assert "dps1." not in page
    assert "[stored secret " in page


def test_edit_keeps_the_secret(admin_client: Client, instance: PluginInstance) -> None:
    """Another field can be edited without typing the secret again; the history names the fields."""
    token = get_row(instance).config["auth_token"]
    form = edit_config(open_change(admin_client, instance), timeout=20, region='"eu"')
    assert save_change(admin_client, instance, {**form, "priority": "7"}).status_code == 302
    row = get_row(instance)
    assert row.load_config().timeout == 20
    assert row.load_config().region == "eu"
    assert row.config["auth_token"] == token
    assert LogEntry.objects.get().get_change_message() == (
        "Changed Priority, Configuration: Region and Configuration: Timeout."
    )


def test_replace_the_secret(admin_client: Client, instance: PluginInstance) -> None:
    """A typed secret, of several lines too, replaces the stored one; the history says that it changed, not to what."""
    form = edit_config(open_change(admin_client, instance), auth_token="line 1\nline 2\n")
    assert save_change(admin_client, instance, form).status_code == 302
    assert get_row(instance).load_config().auth_token.get_secret_value() == "line 1\nline 2\n"
    assert LogEntry.objects.get().get_change_message() == "Changed Configuration: Auth token."


def test_clear_a_required_secret(admin_client: Client, instance: PluginInstance) -> None:
    """An emptied secret that must be there is an error, and nothing changes."""
    before = get_raw_config(instance)
    response = save_change(admin_client, instance, edit_config(open_change(admin_client, instance), auth_token=""))
    assert set(response.context["adminform"].form.fields["config"].widget.error_map) == {"auth_token"}
    assert get_raw_config(instance) == before


def test_secrets_in_a_list(admin_client: Client, instance: PluginInstance) -> None:
    """Items with secrets can be added, reordered and removed."""
    sender = {"name": "a", "token": SECRET + "a"}
    other = {"name": "b", "token": SECRET + "b"}
    save_change(admin_client, instance, edit_config(open_change(admin_client, instance), senders=[sender, other]))
    form = open_change(admin_client, instance)
    shown = json.loads(form["config"])["senders"]
    save_change(admin_client, instance, edit_config(form, senders=shown[::-1]))
    senders = get_row(instance).load_config().senders
    assert [(s.name, s.token.get_secret_value()) for s in senders] == [("b", SECRET + "b"), ("a", SECRET + "a")]


def test_stale_form_is_refused(admin_client: Client, instance: PluginInstance) -> None:
    """Of two tabs the second one to be saved is told so, and overwrites nothing; repeated posts do not help."""
    first, second = open_change(admin_client, instance), open_change(admin_client, instance)
    save_change(admin_client, instance, edit_config(first, timeout=20))
    for _attempt in range(2):
        response = save_change(
            admin_client, instance, edit_config({**second, "name": "mine"}, timeout=30, auth_token=SECRET)
        )
        assert response.context["adminform"].form.has_error("__all__", "stale")
        second["version"] = read_form(response)["version"]
    row = get_row(instance)
    assert (row.name, row.load_config().timeout) == ("transactional", 20)


def test_health_does_not_make_a_form_stale(admin_client: Client, instance: PluginInstance) -> None:
    """A failover that cools the row down meanwhile is no conflict."""
    form = open_change(admin_client, instance)
    set_health(PluginInstance.objects.filter(pk=instance.pk), last_error="timed out")
    assert save_change(admin_client, instance, form).status_code == 302
    assert get_row(instance).last_error == "timed out"


def test_code_is_gone(admin_client: Client, items: dict[str, PluginItem], instance: PluginInstance) -> None:
    """The row opens read-only without its secrets, says why, and can still be renamed and disabled."""
    PluginItem = type(items["twilio"])  # noqa: N806 - the model
    PluginItem.objects.filter(pk=items["twilio"].pk).update(module="apps.removed")
    before = get_raw_config(instance)
    response = admin_client.get(url("change", instance.pk))
    page = response.content.decode()
    assert "The code of this item is gone" in page
    assert "dps1." not in page
    assert "stored secret" not in page
    form = {**read_form(response), "name": "renamed", "status": PluginStatus.DISABLED, "priority": "9"}
    assert save_change(admin_client, instance, form).status_code == 302
    row = get_row(instance)
    assert (row.name, row.status, row.priority) == ("renamed", "disable", 9)
    assert get_raw_config(instance) == before


@pytest.fixture
def lost_key(instance: PluginInstance, settings: Any) -> PluginInstance:
    """Return an instance whose key is no longer configured."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [KEY]}
    return instance


def test_key_is_gone(admin_client: Client, lost_key: PluginInstance) -> None:
    """The row opens and says why it is not used; name and status can be saved, and the config stays byte-identical."""
    before = get_raw_config(lost_key)
    response = admin_client.get(url("change", lost_key.pk))
    assert "is not configured" in response.content.decode()
    form = {**read_form(response), "name": "renamed", "status": PluginStatus.RESERVED}
    assert save_change(admin_client, lost_key, form).status_code == 302
    assert get_raw_config(lost_key) == before
    assert get_row(lost_key).name == "renamed"


def test_unreadable_secret_is_not_saved_over(admin_client: Client, lost_key: PluginInstance) -> None:
    """Editing another field is refused with the key's id as long as the secret cannot be read."""
    before = get_raw_config(lost_key)
    response = save_change(admin_client, lost_key, edit_config(open_change(admin_client, lost_key), timeout=30))
    assert "is not configured" in response.context["adminform"].form.errors["config"][0]
    assert get_raw_config(lost_key) == before


def test_unreadable_secret_can_be_replaced(admin_client: Client, lost_key: PluginInstance) -> None:
    """Typing the secret anew repairs the row."""
    form = edit_config(open_change(admin_client, lost_key), auth_token=SECRET)
    assert save_change(admin_client, lost_key, form).status_code == 302
    assert get_row(lost_key).load_config().auth_token.get_secret_value() == SECRET


def test_newer_version_is_read_only(admin_client: Client, instance: PluginInstance) -> None:
    """A row that newer code has stored is shown, not offered for editing."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE django_plugin_system_plugininstance SET config_version = 9")
    response = admin_client.get(url("change", instance.pk))
    assert "Stored by newer code" in response.content.decode()
    assert "config" not in read_form(response)


def test_view_only(instance: PluginInstance) -> None:
    """A user who may only look sees the configuration without secret or placeholder, and cannot save."""
    client = make_user_client("view_plugininstance")
    response = client.get(url("change", instance.pk))
    page = response.content.decode()
    assert CONFIG["account_sid"] in page
    assert "••••" in page
    assert SECRET not in page
    assert "stored secret" not in page
    assert "dps1." not in page
    assert client.post(url("change", instance.pk), {"name": "x"}).status_code == 403


def test_default_instance_of_an_item_without_config(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """An instance that takes no configuration opens and saves."""
    row = make_instance(items["console"], "default", config={})
    form = {**open_change(admin_client, row), "priority": "4"}
    assert save_change(admin_client, row, form).status_code == 302
    assert get_row(row).priority == 4


def test_change_during_the_save(admin_client: Client, instance: PluginInstance) -> None:
    """A config that changes between the check and the write is not overwritten; the page says so."""
    form = edit_config(open_change(admin_client, instance), timeout=20)
    other = get_row(instance)

    def interfere(execute: Any, sql: str, *args: Any) -> Any:
        if ' AS "a" FROM "django_plugin_system_plugininstance"' in sql:
            with connection.cursor() as cursor:
                changed = {**other.config, "timeout": 5.0}
                cursor.execute("UPDATE django_plugin_system_plugininstance SET config = %s", [json.dumps(changed)])
        return execute(sql, *args)

    with connection.execute_wrapper(interfere):
        response = admin_client.post(url("change", instance.pk), form)
    assert response.status_code == 302
    assert "changed by someone else" in admin_client.get(response["Location"]).content.decode()
    assert get_row(instance).load_config().timeout != 20


def test_config_of_an_older_version(
    admin_client: Client, instance: PluginInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form shows the configuration in the code's version, or as it is stored where that fails."""

    def migrate(_cls: type, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        assert from_version == 1
        return {**config, "timeout": config["timeout"] * 2}

    monkeypatch.setattr(TwilioSms, "config_version", 2)
    monkeypatch.setattr(TwilioSms, "migrate_config", classmethod(migrate))
    form = open_change(admin_client, instance)
    assert json.loads(form["config"])["timeout"] == 20
    save_change(admin_client, instance, edit_config(form, region='"eu"'))
    row = get_row(instance)
    assert (row.config_version, row.load_config().timeout, row.load_config().region) == (2, 20, "eu")
    monkeypatch.setattr(TwilioSms, "config_version", 3)
    assert json.loads(open_change(admin_client, instance)["config"])["timeout"] == 20


def test_form_without_a_row(rf: RequestFactory, admin_user: User) -> None:
    """Other code may ask the admin for a form of no row at all: it has no configuration."""
    request = rf.get("/")
    request.user = admin_user
    form = site._registry[PluginInstance].get_form(request)  # noqa: SLF001 - Django 4.2 has no public way
    assert "config" not in form.base_fields


def test_deletion_during_the_save(admin_client: Client, instance: PluginInstance) -> None:
    """An instance that is deleted between the check and the write is not stored again; the page says so."""
    form = edit_config(open_change(admin_client, instance), timeout=20)

    def interfere(execute: Any, sql: str, *args: Any) -> Any:
        if ' AS "a" FROM "django_plugin_system_plugininstance"' in sql:
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM django_plugin_system_plugininstance")
        return execute(sql, *args)

    with connection.execute_wrapper(interfere):
        response = admin_client.post(url("change", instance.pk), form)
    assert response.status_code == 302
    assert "changed by someone else" in admin_client.get(response["Location"]).content.decode()


HALF = "\ud83d"


@pytest.mark.parametrize("query", ["", "?json=1"])
@pytest.mark.parametrize(
    "posted",
    [
        {HALF: "x"},
        {HALF: {"$secret": HALF}},
        {"account_sid": HALF},
        {"region": HALF},
        {"timeout": HALF},
        {"note": HALF},
        {"note": {"$env": HALF}},
        {"senders": [{HALF: HALF}]},
        {"retry": {"attempts": [HALF]}},
    ],
)
def test_half_a_surrogate_pair_is_refused(
    admin_client: Client, instance: PluginInstance, query: str, posted: dict[str, Any]
) -> None:
    """Wherever it is typed, the page comes back and says so."""
    form = read_form(admin_client.get(url("change", instance.pk) + query))
    response = save_change(admin_client, instance, edit_config(form, **posted), query)
    assert response.context["adminform"].form.errors["config"]


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_two_save_at_once(items: dict[str, PluginItem], admin_user: User) -> None:
    """A save holds no lock while it checks what was typed; of two that are checked at once the later is refused."""
    row = make_instance(items["twilio"])
    clients, forms = [Client(), Client()], []
    for number, client in enumerate(clients, start=2):
        client.force_login(admin_user)
        forms.append(edit_config({**open_change(client, row), "priority": str(number)}, timeout=number))
    answers: list[Any] = []

    def save_other() -> None:
        answers.append(clients[1].post(url("change", row.pk), forms[1]))

    def interfere(execute: Any, sql: str, *args: Any) -> Any:
        if ' AS "a" FROM "django_plugin_system_plugininstance"' in sql:
            thread = Thread(target=run_elsewhere, args=[save_other])
            thread.start()
            thread.join(timeout=60)
        return execute(sql, *args)

    with connection.execute_wrapper(interfere):
        answers.append(clients[0].post(url("change", row.pk), forms[0]))
    assert answers[0]["Location"] == url("changelist")
    assert "changed by someone else" in clients[0].get(answers[1]["Location"]).content.decode()
    stored = get_row(row)
    assert (stored.priority, stored.load_config().timeout) == (3, 3)


def test_who_serves_the_name(admin_client: Client, items: dict[str, PluginItem], instance: PluginInstance) -> None:
    """The page says who serves the name now and without this instance; before a deletion it is said once more."""
    page = admin_client.get(url("change", instance.pk)).content.decode()
    assert "1 of 1 · Active, priority 5 (the item&#x27;s)" in page
    assert "twilio serves “transactional” now. Without it, nobody serves “transactional”." in page
    page = admin_client.get(url("delete", instance.pk)).content.decode()
    assert "Afterwards, nobody serves “transactional”." in page
    assert "Plugin health" not in page
    last = PluginInstance.objects.create(item=items["console"], name="transactional", priority=9)
    page = admin_client.get(url("change", instance.pk)).content.decode()
    assert "Without it, console serves “transactional”." in page
    action = {"action": "delete_selected", "_selected_action": [str(instance.pk)]}
    page = admin_client.post(url("changelist"), action).content.decode()
    assert "Afterwards, console serves “transactional”." in page
    assert "Afterwards" not in admin_client.get(url("delete", last.pk)).content.decode()
    action["_selected_action"] = [str(instance.pk), str(last.pk)]
    assert "Afterwards, nobody serves" in admin_client.post(url("changelist"), action).content.decode()
    done = admin_client.post(url("changelist"), {**action, "post": "yes"}, follow=True).content.decode()
    assert "Afterwards" not in done
    assert not PluginInstance.objects.exists()


def test_saving_says_what_is_left(admin_client: Client, instance: PluginInstance) -> None:
    """Who disables the last instance of a name by its form, or in the list, is told that nobody serves it."""
    form = open_change(admin_client, instance)
    text = "Nobody serves “transactional” now."
    page = admin_client.post(url("change", instance.pk), {**form, "status": "disable"}, follow=True)
    assert text in page.content.decode()
    form = {**read_form(page), "form-0-status": "active", "_save": "Save"}
    page = admin_client.post(url("changelist"), form, follow=True)
    assert text not in page.content.decode()
    form = {**read_form(page), "form-0-status": "disable", "_save": "Save"}
    assert text in admin_client.post(url("changelist"), form, follow=True).content.decode()


def test_a_type_leads_to_the_overview(admin_client: Client, instance: PluginInstance) -> None:
    """The page of a type links who serves it, for who may see instances."""
    address = url("change", instance.item.plugin_type_id, model="plugintype")
    link = "/admin/django_plugin_system/pluginoverview/?q=sms"
    assert link in admin_client.get(address).content.decode()
    assert link not in make_user_client("view_plugintype").get(address).content.decode()


def test_history_begins_with_the_last(admin_client: Client, instance: PluginInstance) -> None:
    """What was done last stands first."""
    for timeout in (20, 30):
        save_change(admin_client, instance, edit_config(open_change(admin_client, instance), timeout=timeout))
    save_change(admin_client, instance, {**open_change(admin_client, instance), "priority": "3"})
    page = admin_client.get(url("history", instance.pk)).content.decode()
    assert page.index("Changed Priority.") < page.index("Changed Configuration: Timeout.")
