"""Testing an instance in a browser, and what its page and the list say of it afterwards."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from playwright.sync_api import expect

from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.checked import CheckedSms, declare_checked, pass_quietly, raising
from tests.admin.sample import SECRET, SID, make_instance
from tests.browser.test_accessibility import find_serious, show_looks
from tests.support.health import set_health

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Shoot = Callable[..., Any]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("strict_policy")]

LIST = "/admin/django_plugin_system/plugininstance/"


@pytest.fixture
def checked(items: dict[str, PluginItem]) -> PluginInstance:
    """Return a stored instance, with a secret in a list, of an item whose class has a ``check()``."""
    CheckedSms.behave, CheckedSms.seen = pass_quietly, []
    senders = [{"name": "a", "token": f"{SECRET}-a"}, {"name": "b", "token": f"{SECRET}-b"}]
    config = {"account_sid": SID, "auth_token": SECRET, "senders": senders}
    return make_instance(declare_checked(items["twilio"].plugin_type), config=config)


def field(page: Page, path: str) -> Any:
    """Return the input at a form path."""
    return page.locator(f'[name="rjf§{path}"]')


def press_test(page: Page) -> Any:
    """Press the button, and return the place of the result."""
    page.get_by_role("button", name="Test", exact=True).click()
    return page.get_by_role("status")


def test_typed_values_are_tested_and_stay(admin_page: Page, checked: PluginInstance, screenshot: Shoot) -> None:
    """The page stays as it is, typed secrets too; the result is announced; Enter in a field still saves."""
    page = admin_page
    page.goto(f"{LIST}{checked.pk}/change/")
    field(page, "timeout").fill("42")
    field(page, "auth_token").fill(f"{SECRET}-typed")
    expect(press_test(page)).to_have_text("The test passed. What is in the form was tested and is not saved yet.")
    page.mouse.move(0, 0)
    screenshot("connection-test")
    assert CheckedSms.seen[0].timeout == 42
    assert CheckedSms.seen[0].auth_token.get_secret_value() == f"{SECRET}-typed"
    assert CheckedSms.seen[0].senders[1].token.get_secret_value() == f"{SECRET}-b"
    expect(field(page, "auth_token")).to_have_value(f"{SECRET}-typed")
    expect(field(page, "timeout")).to_have_value("42")
    page.get_by_label("Name:").press("Enter")
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert PluginInstance.objects.get().load_config().timeout == 42  # type: ignore[union-attr]


def test_a_failure_is_shown_as_text(admin_page: Page, checked: PluginInstance) -> None:
    """HTML in an error is text; the page and the list keep the result."""
    page = admin_page
    CheckedSms.behave = raising(ConnectionError("<img src=x onerror=alert(1)> refused by sms.example:443"))
    page.goto(f"{LIST}{checked.pk}/change/")
    status = press_test(page)
    expect(status).to_contain_text("The test failed: ConnectionError: <img src=x onerror=alert(1)> refused")
    expect(status.locator("img")).to_have_count(0)
    page.reload()
    expect(page.locator(".dps-failing")).to_have_text("Test failed")
    expect(page.locator(".dps-panel")).to_contain_text("refused by sms.example:443")


def test_no_result_is_stale(admin_page: Page, checked: PluginInstance) -> None:
    """An edit takes the result of the former test away; the next button that is reached from there saves and tests."""
    page = admin_page
    page.goto(f"{LIST}{checked.pk}/change/")
    expect(press_test(page)).to_have_text("The test passed.")
    field(page, "timeout").fill("42")
    expect(page.get_by_role("status")).to_be_empty()
    page.get_by_role("button", name="Save and test").click()
    expect(page.locator(".messagelist")).to_contain_text("Transactional (checked): The test passed.")
    expect(page.locator(".dps-panel")).to_contain_text("Usable Tested just now.")
    expect(page.locator(".dps-panel")).to_contain_text("Without it, nobody serves “transactional”.")


def test_invalid_values_are_named(admin_page: Page, checked: PluginInstance) -> None:
    """Every problem stands with its field, nothing is tested, and nothing that was typed is lost."""
    page = admin_page
    page.goto(f"{LIST}add/?item={checked.item_id}")
    field(page, "auth_token").fill(SECRET)
    status = press_test(page)
    expect(status).to_contain_text("Name: This field is required.")
    expect(status).to_contain_text("Account SID: ")
    expect(field(page, "auth_token")).to_have_value(SECRET)
    assert not CheckedSms.seen


def test_a_server_that_does_not_answer(admin_page: Page, checked: PluginInstance) -> None:
    """A lost connection, or a page instead of an answer, is said; the form stays."""
    page = admin_page
    page.goto(f"{LIST}{checked.pk}/change/")
    page.route("**/change/", lambda route: route.abort())
    expect(press_test(page)).to_have_text("The server cannot be reached.")
    page.unroute("**/change/")
    page.context.clear_cookies()
    expect(press_test(page)).to_contain_text("The test could not be run. The server answered: 403")


def test_dates_stand_at_their_secrets(admin_page: Page, checked: PluginInstance) -> None:
    """Each stored secret says since when, to screen readers too; a typed one does not; reordering takes it along."""
    page = admin_page
    dates = {'["senders","0","token"]': "2020-02-29T12:00:00+00:00", '["auth_token"]': "2021-05-01T12:00:00+00:00"}
    PluginInstance.objects.update(secret_dates=dates)
    page.goto(f"{LIST}{checked.pk}/change/")
    expect(page.locator(".dps-status", has_text="Stored, ")).to_have_count(2)
    expect(page.locator(".dps-secret-dates")).to_be_hidden()
    expect(field(page, "auth_token")).to_have_accessible_description(re.compile(r"Stored, \d+\syears ago$"))
    first, second = (page.locator(".rjf-input-group", has=field(page, f"senders§{place}§token")) for place in (0, 1))
    expect(first.locator(".dps-status")).to_have_attribute("title", re.compile("^02/29/2020"))
    expect(second).not_to_contain_text(" ago")
    page.get_by_role("button", name="Move down").first.click()
    expect(second.locator(".dps-status")).to_have_attribute("title", re.compile("^02/29/2020"))
    expect(first).not_to_contain_text(" ago")
    field(page, "auth_token").fill("typed")
    expect(page.locator(".dps-status", has_text=" ago")).to_have_count(1)


def test_everyone_can_use_it(admin_page: Page, checked: PluginInstance, strict_policy: list[str]) -> None:
    """Result and dates have no serious finding of axe-core, under a strict policy, also on a narrow screen."""
    page = admin_page
    CheckedSms.behave = raising(ConnectionError("x" * 450))
    page.goto(f"{LIST}{checked.pk}/change/")
    expect(press_test(page)).to_contain_text("The test failed: ConnectionError: xxx")
    for look in show_looks(page):
        assert (look, find_serious(page, strict_policy)) == (look, [])
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    page.goto(LIST)
    for look in show_looks(page):
        assert (look, find_serious(page, strict_policy)) == (look, [])


def test_without_javascript(page_without_javascript: Page, checked: PluginInstance) -> None:
    """The button sends the form, and the page comes back with the result; dates stand in a list."""
    User.objects.create_superuser("admin", password="admin-password")
    PluginInstance.objects.update(secret_dates={'["auth_token"]': "2021-05-01T12:00:00+00:00"})
    page = page_without_javascript
    page.goto(f"/admin/login/?next={LIST}{checked.pk}/change/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin-password")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".dps-secret-dates")).to_contain_text(
        re.compile(r"Auth token: Stored, \d+\syears ago \(05/01/2021")
    )
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator(".messagelist .success")).to_have_text("The test passed.")


def test_who_may_only_look_and_test(admin_page: Page, checked: PluginInstance) -> None:
    """The page offers nothing but the test, and shows since when secrets are stored."""
    page = admin_page
    user = User.objects.get()
    user.is_superuser = False
    user.save()
    names = ("view_plugininstance", "test_plugininstance")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    page.goto(f"{LIST}{checked.pk}/change/")
    expect(press_test(page)).to_have_text("The test passed.")
    expect(page.locator(".dps-secret-dates")).to_contain_text("Senders > 2 > Token: Stored, just now")


def test_the_list_fits(admin_page: Page, checked: PluginInstance) -> None:
    """With long names and errors in every row, no column is out of sight on a screen of 1280 pixels."""
    page = admin_page
    error = "ConnectionError: HTTPSConnectionPool(host='sms.example', port=443): Max retries exceeded with url: /v1/x"
    for name in ("transactional-messages-of-the-shop", "marketing", "night"):
        make_instance(checked.item, name)
    set_health(last_error=error, last_tested_at=timezone.now(), last_test_error=error)
    make_instance(checked.item, "off", status="disable", priority=12)
    set_health(PluginInstance.objects.filter(name="night"), unavailable_until=timezone.now() + timedelta(hours=1))
    set_health(PluginInstance.objects.filter(name="marketing"), last_test_error="", last_error="")
    page.goto(LIST)
    widths = "(box) => [box.scrollWidth, box.clientWidth]"
    scrolled, visible = page.locator("#changelist .results").evaluate(widths)
    assert scrolled == visible
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
