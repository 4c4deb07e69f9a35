"""The overview in a browser: seen at a glance, used by keyboard, by dragging, and without JavaScript."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus, PluginType
from django_plugin_system.registry import ItemSpec, TypeSpec, registry
from tests.admin.checked import CheckedSms, declare_checked, pass_quietly
from tests.admin.sample import AbstractSms, TwilioSms, make_instance
from tests.browser.test_accessibility import find_faults
from tests.support.health import set_health

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Shoot = Callable[..., Any]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("strict_policy")]

OVERVIEW = "/admin/django_plugin_system/pluginoverview/"


@pytest.fixture
def desk(items: dict[str, PluginItem]) -> dict[str, PluginInstance]:
    """Return instances in every state, by name and item."""
    CheckedSms.behave, CheckedSms.seen = pass_quietly, []
    kind = items["twilio"].plugin_type
    checked = declare_checked(kind, name="swiftline")
    registry.add_item(ItemSpec("pigeon", "apps.pigeon", TwilioSms, ("sms", "apps.sms")))
    pigeon = PluginItem.objects.create(plugin_type=kind, name="pigeon", module="apps.pigeon", priority=7)
    now = timezone.now()
    timeout = "ConnectTimeout: api.swiftline.example:443 did not answer within 5 seconds"
    rows = [
        make_instance(checked, "transactional", unavailable_until=now + timedelta(minutes=4), last_error=timeout),
        make_instance(items["twilio"], "transactional"),
        make_instance(pigeon, "transactional"),
        make_instance(items["twilio"], "marketing", status=PluginStatus.DISABLED),
        make_instance(checked, "receipts"),
        make_instance(pigeon, "receipts", status=PluginStatus.RESERVED),
    ]
    set_health(PluginInstance.objects.filter(name="receipts", item=checked), last_tested_at=now - timedelta(days=3))
    for name in ("fax", "letters"):
        registry.add_type(TypeSpec(name, "apps.post", AbstractSms, f"Sends {name}."))
        PluginType.objects.create(name=name, manager="apps.post", description=f"Sends {name}.")
    return {f"{row.name}/{row.item.name}": row for row in rows}


def get_order(page: Page, name: str) -> list[str]:
    """Return the items of a name's chain, as they are shown."""
    chain = page.locator(".dps-chain", has=page.get_by_role("heading", name=name))
    return chain.locator(".dps-who b").all_inner_texts()


def test_at_a_glance(
    admin_page: Page, desk: dict[str, PluginInstance], strict_policy: list[str], screenshot: Shoot
) -> None:
    """One row for each name, who serves it, why others do not; no serious finding, no wider than the screen."""
    assert desk
    page = admin_page
    page.goto("/admin/")
    page.get_by_role("link", name="Overview", exact=True).first.click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.locator(".dps-sum")).to_have_text("1 needs attention")
    transactional = page.locator(".dps-chain", has=page.get_by_role("heading", name="transactional"))
    expect(transactional).to_contain_text("twilio serves “transactional” now.")
    expect(transactional.locator(".dps-line").first).to_contain_text("Cooling down Used again in 3")
    expect(page.locator(".dps-unserved")).to_contain_text("Nobody serves “marketing” now.")
    expect(page.locator(".dps-card").last).to_contain_text("fax Sends fax. Add instance")
    assert find_faults(page, strict_policy, "overview", screenshot) == {}


def test_the_keyboard(admin_page: Page, desk: dict[str, PluginInstance]) -> None:
    """Arrow keys move a candidate; the focus goes along, and what became of it is announced."""
    page, row = admin_page, desk["transactional/twilio"]
    page.goto(OVERVIEW)
    assert get_order(page, "transactional") == ["swiftline", "twilio", "pigeon"]
    page.get_by_role("button", name="Move down: transactional (twilio)").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("status")).to_have_text("Done. pigeon serves “transactional” now.")
    assert get_order(page, "transactional") == ["swiftline", "pigeon", "twilio"]
    expect(page.locator(f"#of-{row.pk} button").nth(0)).to_be_focused()
    page.get_by_role("button", name="Move up: transactional (twilio)").focus()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("status")).to_have_text("Done. twilio serves “transactional” now.")
    page.get_by_role("button", name="Disable: transactional (twilio)").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done. pigeon serves “transactional” now.")
    expect(page.get_by_role("button", name="Enable: transactional (twilio)")).to_be_focused()
    page.get_by_role("button", name="Use again now: transactional (swiftline)").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Done. swiftline serves “transactional” now.")
    page.get_by_role("button", name="Test: transactional (swiftline)").press("Enter")
    expect(page.get_by_role("status")).to_have_text("Transactional (swiftline): The test passed.")


def test_dragging(admin_page: Page, desk: dict[str, PluginInstance]) -> None:
    """A candidate is dragged to its place, up and down."""
    page = admin_page
    page.goto(OVERVIEW)
    lines = {name: page.locator(f"#of-{row.pk}") for name, row in desk.items()}
    lines["transactional/pigeon"].drag_to(lines["transactional/swiftline"])
    expect(page.get_by_role("status")).to_contain_text("pigeon serves")
    assert get_order(page, "transactional") == ["pigeon", "swiftline", "twilio"]
    lines["transactional/pigeon"].drag_to(lines["transactional/twilio"])
    expect(page.get_by_role("status")).to_contain_text("twilio serves")
    assert get_order(page, "transactional") == ["swiftline", "twilio", "pigeon"]


def test_what_goes_wrong(admin_page: Page, desk: dict[str, PluginInstance], screenshot: Shoot) -> None:
    """A change that somebody else made meanwhile, and a server that does not answer, are said."""
    page = admin_page
    page.goto(OVERVIEW)
    PluginInstance.objects.filter(pk=desk["transactional/pigeon"].pk).update(priority=1)
    page.get_by_role("button", name="Disable: transactional (twilio)").click()
    expect(page.get_by_role("status")).to_contain_text("Someone else changed “transactional” meanwhile")
    screenshot("overview-refused")
    assert PluginInstance.objects.get(pk=desk["transactional/twilio"].pk).status == PluginStatus.ACTIVE
    page.route("**/pluginoverview/", lambda route: route.abort())
    page.get_by_role("button", name="Disable: transactional (twilio)").click()
    expect(page.get_by_role("status")).to_have_text("The server cannot be reached.")
    page.unroute("**/pluginoverview/")


def test_without_javascript(page_without_javascript: Page, desk: dict[str, PluginInstance]) -> None:
    """Every button works as a form."""
    User.objects.create_superuser("admin", password="admin-password")
    page = page_without_javascript
    page.goto(OVERVIEW)
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin-password")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("searchbox").fill("transactional")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".dps-chain")).to_have_count(1)
    page.get_by_role("button", name="Move up: transactional (pigeon)").click()
    expect(page.locator(".messagelist")).to_contain_text("Done. pigeon serves “transactional” now.")
    page.get_by_role("button", name="Disable: transactional (pigeon)").click()
    expect(page.locator(".messagelist")).to_contain_text("Done. twilio serves “transactional” now.")
    expect(page.locator(".dps-chain")).to_have_count(1)
    assert PluginInstance.objects.get(pk=desk["transactional/pigeon"].pk).status == PluginStatus.DISABLED
