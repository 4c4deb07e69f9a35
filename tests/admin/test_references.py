"""References in the admin: offered where they are allowed, shown as they are stored, never followed on a page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.admin.helpers import edit_config, get_raw_config, get_row, make_user_client, read_form, url
from tests.admin.sample import SECRET, SID

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

    from django_plugin_system.models import PluginInstance

GIVEN = {
    "account_sid": {"$env": "SMS_SID"},
    "auth_token": {"$env": "SMS_TOKEN"},
    "region": {"$env": "SMS_REGION"},
    "timeout": {"$env": "SMS_TIMEOUT"},
    "verify": {"$env": "SMS_VERIFY"},
    "retry": {"$env": "SMS_RETRY"},
    "senders": [{"name": {"$env": "SMS_SID"}, "token": {"$env": "SMS_TOKEN"}}],
}
VALUES = {
    "SMS_SID": SID,
    "SMS_TOKEN": SECRET,
    "SMS_REGION": "eu",
    "SMS_TIMEOUT": "7.5",
    "SMS_VERIFY": "no",
    "SMS_RETRY": '{"attempts": 5}',
}


@pytest.fixture(autouse=True)
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Allow and set the variables."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture
def referring(instance: PluginInstance) -> PluginInstance:
    """Return an instance of which nearly every field is a reference."""
    instance.set_config(GIVEN)
    instance.save()
    return instance


def save(client: Client, row: PluginInstance, form: dict[str, str], query: str = "") -> Any:
    """Post the form; no answer holds a secret or a value of the environment."""
    response = client.post(url("change", row.pk) + query, form)
    hidden = [value for value in (SECRET, SID) if value not in str(row.config)]
    assert not [value for value in hidden if value in response.content.decode()]
    return response


@pytest.mark.parametrize("query", ["", "?json=1"])
@pytest.mark.parametrize("missing", [False, True])
def test_an_unchanged_save_keeps_every_reference(
    admin_client: Client, referring: PluginInstance, environment: pytest.MonkeyPatch, query: str, *, missing: bool
) -> None:
    """Byte by byte, in the form and in the JSON text, also while a variable is missing."""
    if missing:
        environment.delenv("SMS_TOKEN")
    before = get_raw_config(referring)
    page = admin_client.get(url("change", referring.pk) + query)
    assert SECRET not in page.content.decode()
    assert SID not in page.content.decode()
    assert save(admin_client, referring, read_form(page), query).status_code == 302
    assert get_raw_config(referring) == before


def test_an_edit_beside_references_keeps_them(admin_client: Client, referring: PluginInstance) -> None:
    """Another field can be edited; the plugin still gets what the environment says."""
    form = edit_config(read_form(admin_client.get(url("change", referring.pk))), note="new")
    assert save(admin_client, referring, form).status_code == 302
    stored = json.loads(get_raw_config(referring))
    assert {key: stored[key] for key in GIVEN} == GIVEN
    config = get_row(referring).load_config()
    assert (config.note, config.timeout, config.region, config.verify) == ("new", 7.5, "eu", False)
    assert (config.retry.attempts, config.auth_token.get_secret_value()) == (5, SECRET)


def test_references_are_typed_into_the_form_and_the_text(admin_client: Client, instance: PluginInstance) -> None:
    """Text and secrets take one in the form, which says so and leads to the JSON text for all others."""
    page = admin_client.get(url("change", instance.pk))
    assert "SMS_*" in page.content.decode()
    assert 'href="?json=1"' in page.content.decode()
    typed = edit_config(read_form(page), account_sid='{"$env": "SMS_SID"}', auth_token='{"$env": "SMS_TOKEN"}')
    assert save(admin_client, instance, typed).status_code == 302
    text = read_form(admin_client.get(url("change", instance.pk) + "?json=1"))
    assert json.loads(text["config"])["auth_token"] == {"$env": "SMS_TOKEN"}
    assert (
        save(admin_client, instance, edit_config(text, timeout={"$env": "SMS_TIMEOUT"}), "?json=1").status_code == 302
    )
    assert get_row(instance).load_config().timeout == 7.5


def test_a_new_instance_may_be_written_as_json(admin_client: Client, instance: PluginInstance) -> None:
    """The page of a new instance keeps the chosen item on the way to its JSON text."""
    page = admin_client.get(url("add"), {"item": str(instance.item_id)})
    assert f'href="?item={instance.item_id}&amp;json=1"' in page.content.decode()
    address = f"{url('add')}?item={instance.item_id}&json=1"
    form = {**read_form(admin_client.get(address)), "name": "written", "config": json.dumps(GIVEN)}
    assert admin_client.post(address, form).status_code == 302
    assert json.loads(get_raw_config(type(instance).objects.get(name="written")))["region"] == {"$env": "SMS_REGION"}


@pytest.mark.parametrize("name", ["SECRET_KEY", "DJANGO_SETTINGS_MODULE", "SMS_GONE"])
def test_a_refused_reference_is_a_field_error(
    admin_client: Client, instance: PluginInstance, environment: pytest.MonkeyPatch, name: str
) -> None:
    """A variable that is not listed, or not set, is named at the field; what was typed is shown again."""
    environment.setenv("SECRET_KEY", SECRET)
    form = edit_config(read_form(admin_client.get(url("change", instance.pk))), note=f'{{"$env": "{name}"}}')
    response = save(admin_client, instance, form)
    [error] = response.context["adminform"].form.errors["config"]
    assert error.startswith(f"Note: the environment variable {name} is not")
    assert list(response.context["adminform"].form.fields["config"].widget.error_map) == ["note"]
    assert json.loads(read_form(response)["config"])["note"] == f'{{"$env": "{name}"}}'


def test_a_variable_that_does_not_fit_is_not_quoted(
    admin_client: Client, referring: PluginInstance, environment: pytest.MonkeyPatch
) -> None:
    """A wrong value is a problem at its field, without the value."""
    environment.setenv("SMS_SID", f"wrong-{SECRET}")
    form = edit_config(read_form(admin_client.get(url("change", referring.pk))), note="new")
    response = save(admin_client, referring, form)
    assert "(from $env SMS_SID)" in response.content.decode()


def test_people_who_may_only_look_see_references(referring: PluginInstance) -> None:
    """The view-only page names the variables, and follows none."""
    page = make_user_client("view_plugininstance").get(url("change", referring.pk)).content.decode()
    assert "SMS_TOKEN" in page
    assert SECRET not in page
    assert SID not in page


def test_without_the_setting_nothing_is_offered(
    admin_client: Client, instance: PluginInstance, settings: Settings
) -> None:
    """By default the form is what it was."""
    settings.PLUGIN_SYSTEM = {}
    page = admin_client.get(url("change", instance.pk)).content.decode()
    assert "$env" not in page
    assert "json=1" not in page
