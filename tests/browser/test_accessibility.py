"""Our pages have no serious finding of axe-core: in light, in dark, on a telephone, refused; under a strict CSP."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import django
import pytest
from django.utils import timezone
from playwright.sync_api import expect

from django_plugin_system.models import PluginStatus
from tests.admin.sample import SECRET, SID, make_instance
from tests.admin.test_choose import register_many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    from django_plugin_system.models import PluginItem

    Shoot = Callable[..., Any]

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("strict_policy")]

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

OURS = ["#content"]
"""The part of a page that we draw; the rest is Django's admin."""

OPTIONS: dict[str, Any] = {
    "rules": {"color-contrast": {"enabled": django.VERSION >= (5, 0)}},
    "resultTypes": ["violations"],
}
"""The colours are Django's own variables; those of 4.2 have too little contrast. Of what is right, nothing is told."""

BASE = "/admin/django_plugin_system"


def test_the_policy_is_in_force(admin_page: Page, strict_policy: list[str]) -> None:
    """The browser refuses a style in the markup, and the watch on the policy hears of it."""
    admin_page.goto("/admin/")
    with admin_page.expect_console_message(lambda told: "Content Security Policy" in told.text):
        admin_page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">x</p>')")
    assert len(strict_policy) == 1
    strict_policy.clear()


def find_serious(page: Page, blocked: list[str]) -> list[str]:
    """Return what axe-core finds on the part of the page that is ours; what is ``blocked`` of axe itself is let go."""
    heard = len(blocked)
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.Axe().axe_script)
    found = page.evaluate("([part, options]) => axe.run({include: [part]}, options)", [OURS, OPTIONS])
    del blocked[heard:]
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


@pytest.fixture
def pages(items: dict[str, PluginItem]) -> dict[str, str]:
    """Return the addresses of our pages by the names of their pictures, each with something to show."""
    config = {"account_sid": SID, "auth_token": SECRET, "senders": [{"name": "a", "token": SECRET}]}
    row = make_instance(items["twilio"], config=config)
    managed = make_instance(items["twilio"], "alerts", config=config, managed_by="plugins.yaml")
    make_instance(items["twilio"], "marketing", status=PluginStatus.DISABLED)
    error = "ConnectTimeout: api.twilio.example:443 did not answer within 5 seconds"
    later = timezone.now() + timedelta(hours=1)
    make_instance(items["twilio"], "receipts-of-the-north", unavailable_until=later, last_error=error)
    return {
        "gallery": f"{BASE}/plugininstance/add/",
        "gallery-empty": f"{BASE}/plugininstance/add/?q=nothing",
        "form": f"{BASE}/plugininstance/add/?item={items['twilio'].pk}",
        "page": f"{BASE}/plugininstance/{row.pk}/change/",
        "json": f"{BASE}/plugininstance/{row.pk}/change/?json=1",
        "viewing": f"{BASE}/plugininstance/{managed.pk}/change/",
        "deletion": f"{BASE}/plugininstance/{row.pk}/delete/",
        "history": f"{BASE}/plugininstance/{row.pk}/history/",
        "list": f"{BASE}/plugininstance/",
        "types": f"{BASE}/plugintype/",
        "type": f"{BASE}/plugintype/{row.item.plugin_type_id}/change/",
        "items": f"{BASE}/pluginitem/",
        "item": f"{BASE}/pluginitem/{items['twilio'].pk}/change/",
    }


LOOKS: dict[str, tuple[Literal["light", "dark"], int]] = {
    "light": ("light", 1280),
    "dark": ("dark", 1280),
    "telephone": ("light", 390),
    **({"telephone-dark": ("dark", 390)} if "SCREENSHOTS" in os.environ else {}),  # for its pictures
}
BETWEEN = (1200, 1024, 768)
"""Widths at which no word of up to 20 letters may be broken within itself, nor at those of the looks."""

REACH_COLOURS = "() => Promise.allSettled(document.getAnimations().map((change) => change.finished)).then(() => null)"
"""The links of Django's admin change their colour slowly."""

FIND_BROKEN = """() => {
  const found = new Set();
  const texts = document.createTreeWalker(document.querySelector("#content"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const node = texts.currentNode, around = node.parentElement;
    if (!around.checkVisibility() || around.closest("select, textarea") || around.offsetWidth <= 1) continue;
    for (const word of node.data.matchAll(/(?<![\\p{L}\\p{N}])[\\p{L}\\p{N}]{1,20}(?![\\p{L}\\p{N}])/gu)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const tops = Array.from(range.getClientRects(), (box) => Math.round(box.top));
      if (new Set(tops).size > 1) found.add(word[0]);
    }
  }
  return [...found];
}"""


def show_looks(page: Page) -> Iterator[str]:
    """Show the page that is open in each look, and yield the look's name."""
    for look, (theme, width) in LOOKS.items():
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 844})
        page.evaluate(REACH_COLOURS)
        yield look


def find_faults(page: Page, blocked: list[str], name: str, screenshot: Shoot) -> dict[str, list[Any]]:
    """Return what is wrong with the page that is open, by look or width, and take its picture in each look."""
    faults: dict[str, list[Any]] = {}
    for look in show_looks(page):
        width = LOOKS[look][1]
        screenshot(f"{name}-{look}", full_page=width > 390)
        faults[f"{name} in {look}"] = find_serious(page, blocked)
        wide = page.evaluate("document.documentElement.scrollWidth")
        faults[f"{name} in {look} is wide"] = [wide] if wide > width + 10 else []
    for width in (*{width for _theme, width in LOOKS.values()}, *BETWEEN):
        page.set_viewport_size({"width": width, "height": 844})
        faults[f"{name} at {width}"] = page.evaluate(FIND_BROKEN)
    return {place: found for place, found in faults.items() if found}


def test_no_serious_finding(
    admin_page: Page, pages: dict[str, str], strict_policy: list[str], screenshot: Shoot
) -> None:
    """Every page can be used by everyone, none is wider than the screen, no word is broken within itself."""
    faults: dict[str, list[Any]] = {}
    for name, address in pages.items():
        admin_page.goto(address)
        admin_page.wait_for_load_state("networkidle")
        faults |= find_faults(admin_page, strict_policy, name, screenshot)
    admin_page.goto(pages["list"])
    admin_page.locator("tr", has_text="transactional").get_by_role("checkbox").check()
    admin_page.get_by_label("Action:").select_option("mark_disabled")
    admin_page.get_by_role("button", name="Go", exact=True).click()
    expect(admin_page.locator(".dps-losses")).to_have_text("Afterwards, nobody serves “transactional”.")
    faults |= find_faults(admin_page, strict_policy, "disabling", screenshot)
    assert faults == {}


def test_refused_forms(admin_page: Page, pages: dict[str, str], strict_policy: list[str]) -> None:
    """The same holds for a form that was refused."""
    admin_page.goto(pages["form"])
    admin_page.get_by_role("button", name="Save", exact=True).click()
    admin_page.locator(".rjf-error-text").first.wait_for()
    for look in show_looks(admin_page):
        assert (look, find_serious(admin_page, strict_policy)) == (look, [])


def test_choosing_among_200_items(admin_page: Page, strict_policy: list[str], screenshot: Shoot) -> None:
    """The search has the focus, so that an item is found and chosen with a few keys."""
    register_many(10, 20)
    admin_page.goto(f"{BASE}/plugininstance/add/")
    search = admin_page.get_by_role("searchbox", name="Search", exact=True)
    expect(search).to_be_focused()
    screenshot("choose-among-many")
    admin_page.keyboard.type("kind 3 item-03-1")
    admin_page.keyboard.press("Enter")
    expect(admin_page.locator("a.dps-choice[href*='item=']")).to_have_count(10)
    expect(search).to_have_value("kind 3 item-03-1")
    assert find_serious(admin_page, strict_policy) == []
    admin_page.get_by_role("link", name="item-03-17").press("Enter")
    expect(admin_page.get_by_role("heading", name="Add item-03-17 instance")).to_be_visible()
