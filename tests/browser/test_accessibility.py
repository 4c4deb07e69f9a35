"""Our pages have no serious finding of axe-core: in light, in dark, on a telephone, refused; under a strict CSP."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from django_plugin_system.models import PluginStatus
from tests.admin.sample import SECRET, SID, make_instance
from tests.admin.test_choose import register_many

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from django_plugin_system.models import PluginItem

    Shoot = Callable[..., Any]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("strict_policy")]

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

OURS = ["#content"]
"""The part of a page that we draw; the rest is Django's admin."""

RULES = {"rules": {"color-contrast": {"enabled": django.VERSION >= (5, 0)}}}
"""The colours are Django's own variables; those of 4.2 have too little contrast."""

BASE = "/admin/django_plugin_system"


def test_the_policy_is_in_force(admin_page: Page, strict_policy: list[str]) -> None:
    """The browser refuses a style in the markup, and the watch on the policy hears of it."""
    with admin_page.expect_console_message(lambda told: "Content Security Policy" in told.text):
        admin_page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    assert len(strict_policy) == 1
    strict_policy.clear()


def find_serious(page: Page, blocked: list[str]) -> list[str]:
    """Return what axe-core finds on the part of the page that is ours; what is ``blocked`` of axe itself is let go."""
    heard = len(blocked)
    found: Any = axe.Axe().run(page, context={"include": [OURS]}, options=RULES)
    del blocked[heard:]
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found.response["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


@pytest.fixture
def pages(items: dict[str, PluginItem]) -> list[str]:
    """Return the addresses of our pages, each with something to show."""
    senders = [{"name": "a", "token": SECRET}, {"name": "b", "token": SECRET}]
    row = make_instance(items["twilio"], config={"account_sid": SID, "auth_token": SECRET, "senders": senders})
    make_instance(items["twilio"], "off", status=PluginStatus.DISABLED)
    make_instance(items["twilio"], "cooling", unavailable_until=timezone.now() + timedelta(hours=1))
    return [
        f"{BASE}/plugininstance/add/",
        f"{BASE}/plugininstance/add/?q=nothing",
        f"{BASE}/plugininstance/add/?item={items['twilio'].pk}",
        f"{BASE}/plugininstance/{row.pk}/change/",
        f"{BASE}/plugininstance/",
        f"{BASE}/plugintype/",
        f"{BASE}/plugintype/{row.item.plugin_type_id}/change/",
        f"{BASE}/pluginitem/",
        f"{BASE}/pluginitem/{items['twilio'].pk}/change/",
    ]


LOOKS = {"light": ("light", 1280), "dark": ("dark", 1280), "telephone": ("light", 390)}


@pytest.mark.parametrize("look", LOOKS)
def test_no_serious_finding(admin_page: Page, pages: list[str], strict_policy: list[str], look: str) -> None:
    """Every page can be used by everyone, and none is wider than the screen."""
    theme, width = LOOKS[look]
    admin_page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    admin_page.set_viewport_size({"width": width, "height": 844})
    findings: dict[str, list[str]] = {}
    widths: dict[str, int] = {}
    for address in pages:
        admin_page.goto(address)
        admin_page.wait_for_load_state("networkidle")
        findings[address] = find_serious(admin_page, strict_policy)
        widths[address] = admin_page.evaluate("document.documentElement.scrollWidth")
    assert {address: found for address, found in findings.items() if found} == {}
    assert {address: found for address, found in widths.items() if found > width + 10} == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_refused_forms(admin_page: Page, pages: list[str], strict_policy: list[str], theme: Any) -> None:
    """The same holds for a form that was refused."""
    admin_page.emulate_media(color_scheme=theme)
    admin_page.goto(pages[2])
    admin_page.get_by_role("button", name="Save", exact=True).click()
    admin_page.locator(".rjf-error-text").first.wait_for()
    assert find_serious(admin_page, strict_policy) == []


def test_choosing_among_200_items(admin_page: Page, strict_policy: list[str], screenshot: Shoot) -> None:
    """The search has the focus, so that an item is found and chosen with a few keys."""
    register_many(10, 20)
    admin_page.goto(f"{BASE}/plugininstance/add/")
    screenshot("choose-among-many")
    admin_page.keyboard.type("kind 3 item-03-1")
    admin_page.keyboard.press("Enter")
    expect(admin_page.locator("a.dps-choice[href*='item=']")).to_have_count(10)
    expect(admin_page.get_by_role("searchbox", name="Search", exact=True)).to_have_value("kind 3 item-03-1")
    assert find_serious(admin_page, strict_policy) == []
    admin_page.get_by_role("link", name="item-03-17").press("Enter")
    expect(admin_page.get_by_role("heading", name="Add item-03-17 instance")).to_be_visible()
