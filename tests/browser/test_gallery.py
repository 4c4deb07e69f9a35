"""The gallery in which an item is chosen, in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.admin.test_choose import add_known, register_many
from tests.browser.test_accessibility import find_serious
from tests.browser.test_main_job import LIST

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("width", [1280, 390])
def test_a_tile_leads_to_the_form(
    admin_page: Page, items: dict[str, PluginItem], strict_policy: list[str], width: int
) -> None:
    """The whole of it can be pressed, but for the link to the documentation; nothing sticks out on a telephone."""
    page = admin_page
    page.set_viewport_size({"width": width, "height": 800})
    docs = f"https://docs.example/{'long' * 20}"
    label = f"Mailer {'with a name of many words ' * 3}"
    add_known(items["twilio"].plugin_type, "mailer", label=label, icon="\u260e", docs_url=docs, category="Abroad")
    register_many(2, 10)
    page.goto(f"{LIST}add/")
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert find_serious(page, strict_policy) == []
    expect(page.get_by_role("link", name="Documentation of Mailer")).to_have_attribute("href", docs)
    expect(page.get_by_role("heading", name="Abroad")).to_be_visible()
    page.get_by_label("Search").fill("mailer abroad")
    page.keyboard.press("Enter")
    tile = page.locator(".dps-tile")
    expect(tile).to_have_count(1)
    tile.click(position={"x": 5, "y": 5})
    expect(page.get_by_role("heading", name="Add Mailer")).to_be_visible()
    expect(page.get_by_role("link", name="Documentation")).to_have_attribute("href", docs)
