"""References and bound secrets in a browser."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from django_plugin_system.models import PluginInstance
from tests.admin.bound import make_bound
from tests.admin.sample import SECRET, SID, make_instance

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.browser


def field(page: Page, path: str) -> Any:
    """Return the input at a form path."""
    return page.locator(f'[name="rjf§{path}"]')


def open_change(page: Page, row: PluginInstance) -> None:
    """Open the page of an instance."""
    page.goto(f"/admin/django_plugin_system/plugininstance/{row.pk}/change/")


def save(page: Page) -> None:
    """Save, and stay on the page."""
    page.get_by_role("button", name="Save and continue editing").click()
    page.wait_for_load_state()


def test_references_are_typed_shown_and_kept(
    admin_page: Page, items: dict[str, PluginItem], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator types references into the form and the JSON text, sees them unmasked, and saves without a change."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_*"]}
    monkeypatch.setenv("SMS_TOKEN", SECRET)
    monkeypatch.setenv("SMS_TIMEOUT", "7.5")
    row = make_instance(items["twilio"], config={"account_sid": SID, "auth_token": "before"})
    page = admin_page
    open_change(page, row)
    field(page, "auth_token").fill('{"$env": "SMS_TOKEN"}')
    assert field(page, "auth_token").evaluate("box => getComputedStyle(box).webkitTextSecurity") == "none"
    save(page)
    expect(page.locator(".messagelist .success")).to_be_visible()
    expect(field(page, "auth_token")).to_have_value('{"$env": "SMS_TOKEN"}')

    page.get_by_role("link", name="Edit the configuration as JSON").click()
    text = page.locator("textarea[name=config]")
    text.fill(re.sub(r'"timeout": [0-9.]+', '"timeout": {"$env": "SMS_TIMEOUT"}', text.input_value()))
    save(page)
    open_change(page, row)
    expect(field(page, "timeout")).to_have_value('{\n  "$env": "SMS_TIMEOUT"\n}')
    stored = PluginInstance.objects.get(pk=row.pk)
    save(page)
    again: Any = PluginInstance.objects.get(pk=row.pk)
    assert (again.config, again.load_config().timeout) == (stored.config, 7.5)
    assert again.config["auth_token"] == {"$env": "SMS_TOKEN"}


def test_a_changed_endpoint_asks_for_its_secret(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """The problem stands at the secret, which is typed again."""
    row = make_bound(items["twilio"].plugin_type)
    page = admin_page
    open_change(page, row)
    field(page, "endpoint").fill("https://other.example")
    save(page)
    expect(page.locator(".rjf-error-text")).to_contain_text("enter this secret again")
    expect(field(page, "endpoint")).to_have_value("https://other.example")
    field(page, "token").fill("typed again")
    save(page)
    config: Any = PluginInstance.objects.get(pk=row.pk).load_config()
    assert (config.endpoint, config.token.get_secret_value()) == ("https://other.example", "typed again")
