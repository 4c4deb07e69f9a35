"""The main job in a browser: two instances added, one edited without retyping its secret, an invalid value reported."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.sample import SECRET, SID, make_instance
from tests.support.health import set_health

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Shoot = Callable[..., Any]

pytestmark = pytest.mark.browser

LIST = "/admin/django_plugin_system/plugininstance/"


def field(page: Page, path: str) -> Any:
    """Return the input at a form path."""
    return page.locator(f'[name="rjf§{path}"]')


def add_instance(page: Page, name: str, **values: str) -> None:
    """Add an instance of the sample item as an operator would."""
    page.goto(f"{LIST}add/")
    page.get_by_role("link", name="twilio").click()
    page.get_by_label("Name:").fill(name)
    for path, value in values.items():
        field(page, path).fill(value)
    page.get_by_role("button", name="Save", exact=True).click()


def test_add_two_instances_and_edit_one(admin_page: Page, screenshot: Shoot) -> None:
    """Transactional and marketing are added; one is edited, its secret untouched; the list shows both."""
    page = admin_page
    page.goto(f"{LIST}add/")
    screenshot("choose-item", full_page=True)
    add_instance(page, "transactional", account_sid=SID, auth_token=SECRET, timeout="12.5")
    expect(page.locator(".messagelist .success")).to_be_visible()
    add_instance(page, "marketing", account_sid=SID, auth_token=f"{SECRET}-2")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    screenshot("instance-list", full_page=True)

    page.locator("#result_list").get_by_role("link", name="transactional").click()
    field(page, "timeout").fill("30")
    field(page, "region").select_option(label="eu")
    screenshot("change-instance", full_page=True)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    config: Any = PluginInstance.objects.get(name="transactional").load_config()
    assert (config.timeout, config.region, config.auth_token.get_secret_value()) == (30, "eu", SECRET)
    page.goto(f"{LIST}{PluginInstance.objects.get(name='transactional').pk}/history/")
    expect(page.locator("#change-history")).to_contain_text("Configuration: Region and Configuration: Timeout")


def test_invalid_value_is_shown_on_its_field(admin_page: Page, screenshot: Shoot) -> None:
    """The message stands at the input, what was typed is still there, the secret too, unseen by anybody."""
    page = admin_page
    add_instance(page, "transactional", account_sid="wrong", auth_token=SECRET, timeout="-1")
    row = page.locator(".rjf-input-group", has=field(page, "account_sid"))
    expect(row.locator(".rjf-error-text")).to_contain_text(f"Example: AC{32 * '0'}")
    expect(field(page, "account_sid")).to_have_value("wrong")
    expect(field(page, "account_sid")).to_have_attribute("aria-invalid", "true")
    expect(field(page, "auth_token")).to_have_value(re.compile(r"^\[typed, not saved yet: "))
    secret = page.locator(".rjf-input-group", has=field(page, "auth_token"))
    expect(secret.locator(".dps-status")).to_contain_text("Typed, not saved yet.")
    expect(page.locator(".errorlist").first).to_contain_text("Account SID: ")
    screenshot("invalid-value", full_page=True)
    field(page, "account_sid").fill(SID)
    field(page, "timeout").fill("5")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    config: Any = PluginInstance.objects.get().load_config()
    assert config.auth_token.get_secret_value() == SECRET


def test_a_typed_secret_can_be_typed_anew(admin_page: Page) -> None:
    """A click selects what stands for it, so that what is typed replaces it; one that is too old says so."""
    page = admin_page
    add_instance(page, "transactional", account_sid="wrong", auth_token="another one")
    field(page, "account_sid").fill(SID)
    field(page, "auth_token").fill("[typed, not saved yet: 0badf00d.1.AAAA]")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".rjf-error-text")).to_contain_text("Type the secret again")
    expect(page.locator(".dps-status").first).to_have_text("Not kept: type this secret again.")
    field(page, "auth_token").click()
    expect(field(page, "auth_token")).to_be_focused()
    page.keyboard.type(SECRET)
    expect(page.locator(".dps-status").first).to_have_text("")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    config: Any = PluginInstance.objects.get().load_config()
    assert config.auth_token.get_secret_value() == SECRET


def test_secret_of_several_lines(admin_page: Page) -> None:
    """A PEM key that is pasted arrives with its line breaks."""
    pem = "-----BEGIN KEY-----\nabc\ndef\n-----END KEY-----\n"
    add_instance(admin_page, "pem", account_sid=SID, auth_token=pem)
    expect(admin_page.locator(".messagelist .success")).to_be_visible()
    config: Any = PluginInstance.objects.get().load_config()
    assert config.auth_token.get_secret_value() == pem


def test_list_of_models_with_secrets(admin_page: Page, screenshot: Shoot) -> None:
    """Items are added, moved and removed in the browser, and their secrets go with them."""
    page = admin_page
    page.goto(f"{LIST}add/")
    page.get_by_role("link", name="twilio").click()
    page.get_by_label("Name:").fill("x")
    field(page, "account_sid").fill(SID)
    field(page, "auth_token").fill(SECRET)
    for number in (0, 1):
        page.get_by_role("button", name="Add Sender").click()
        field(page, f"senders§{number}§name").fill(f"sender {number}")
        field(page, f"senders§{number}§token").fill(f"{SECRET}{number}")
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    page.get_by_role("button", name="Move down").first.click()
    expect(field(page, "senders§0§name")).to_have_value("sender 1")
    screenshot("secrets-in-a-list", full_page=True)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    config: Any = PluginInstance.objects.get().load_config()
    assert [s.token.get_secret_value() for s in config.senders] == [f"{SECRET}1", f"{SECRET}0"]


def test_two_tabs(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """The second of two tabs is told that it is stale."""
    row = make_instance(items["twilio"])
    address = f"{LIST}{row.pk}/change/"
    admin_page.goto(address)
    other = admin_page.context.new_page()
    other.goto(address)
    field(other, "timeout").fill("7")
    other.get_by_role("button", name="Save", exact=True).click()
    expect(other.locator(".messagelist .success")).to_be_visible()
    other.close()
    field(admin_page, "timeout").fill("8")
    admin_page.get_by_role("button", name="Save", exact=True).click()
    expect(admin_page.locator(".errornote + .errorlist, .errorlist.nonfield")).to_contain_text("Someone else changed")
    config: Any = PluginInstance.objects.get().load_config()
    assert config.timeout == 7


def test_pages_of_types_and_items(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """Types and items with their counts, order and links."""
    make_instance(items["twilio"], "transactional", priority=1)
    make_instance(items["twilio"], "marketing")
    make_instance(items["twilio"], "old", status="disable")
    admin_page.goto("/admin/django_plugin_system/plugintype/")
    admin_page.locator("#result_list").get_by_role("link", name="sms", exact=True).click()
    expect(admin_page.get_by_label("Description:")).to_be_visible()
    admin_page.goto("/admin/django_plugin_system/pluginitem/")
    admin_page.locator("#result_list").get_by_role("link", name="twilio", exact=True).click()
    admin_page.goto(f"/admin/django_plugin_system/pluginitem/{items['twilio'].pk}/delete/")
    expect(admin_page.locator("#content")).to_contain_text("protected related objects")


def test_rows_that_need_attention(admin_page: Page, items: dict[str, PluginItem], screenshot: Shoot) -> None:
    """The list says what is wrong with a row; the page of one whose code is gone shows its configuration read-only."""
    row = make_instance(items["twilio"])
    make_instance(items["twilio"], "off", status="disable")
    lost = make_instance(items["twilio"], "lost")
    set_health(PluginInstance.objects.filter(pk=lost.pk), unavailable_until=timezone.now() + timedelta(hours=1))
    admin_page.goto(LIST)
    expect(admin_page.locator(".dps-cooling")).to_have_count(1)
    screenshot("needs-attention", full_page=True)
    PluginItem.objects.filter(pk=items["twilio"].pk).update(module="apps.removed")
    admin_page.goto(f"{LIST}{row.pk}/change/")
    expect(admin_page.locator(".dps-fields").first).to_contain_text("••••")
    expect(admin_page.locator("#content")).to_contain_text("The code of this item is gone")
    screenshot("code-is-gone", full_page=True)


def test_copy(admin_page: Page, items: dict[str, PluginItem], screenshot: Shoot) -> None:
    """The button on an instance's page opens a form that starts with all but the secrets."""
    row = make_instance(items["twilio"])
    admin_page.goto(f"{LIST}{row.pk}/change/")
    admin_page.get_by_role("link", name="Duplicate").click()
    expect(admin_page.locator(".messagelist .info")).to_contain_text("not copied")
    expect(field(admin_page, "account_sid")).to_have_value(SID)
    expect(field(admin_page, "auth_token")).to_have_value("")
    screenshot("copy", full_page=True)
