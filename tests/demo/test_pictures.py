"""The front page in a real browser: its pictures, its labels, and that it asks nobody else for anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest

from tests.support.chromium import take_picture

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.demo.running import Demo

pytestmark = [pytest.mark.sqlite, pytest.mark.browser]

LOOKS: dict[str, tuple[Literal["light", "dark"], int, int]] = {
    "demo-light": ("light", 1280, 900),
    "demo-dark": ("dark", 1280, 900),
    "demo-narrow": ("light", 390, 844),
}


@pytest.fixture
def used(demo: Demo) -> Demo:
    """Return a demo with messages of every kind, the last of them carried by the reserve."""
    demo.send("email", "marketing", "The autumn catalogue is here.")
    demo.send("email", "transactional", "Your receipt: 2 plugs, 1 socket.")
    demo.send("sms", "marketing", "This week: two plugs for one.")
    demo.switch("swiftline", down=True)
    demo.send("sms", "transactional", "Your code is 4711.")
    return demo


def test_the_page_fits_its_window_and_loads_nothing_from_elsewhere(browser: Browser, used: Demo) -> None:
    """Light, dark and narrow: no sideways scrolling, no foreign request."""
    context = browser.new_context(base_url=used.url)
    page = context.new_page()
    for name, (theme, width, height) in LOOKS.items():
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.goto("/")
        take_picture(page, name, full_page=True)
        asked = page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert [url for url in asked if not url.startswith(used.url)] == []
        assert f"{used.url}/static/frontdesk/frontdesk.css" in asked
    context.close()


def test_the_page_works_by_its_labels(browser: Browser, demo: Demo) -> None:
    """A person with a screen reader finds each control by its name, and sees only the recipient that is needed."""
    context = browser.new_context(base_url=demo.url)
    page = context.new_page()
    page.goto("/")
    assert page.get_by_label("Phone number").is_visible()
    page.get_by_label("E-mail", exact=True).check()
    assert not page.get_by_label("Phone number").is_visible()
    page.get_by_role("radio", name="marketing").check()
    page.get_by_label("E-mail address").fill("lin@example.com")
    page.get_by_role("textbox", name="Message").fill("Sent by hand")
    page.get_by_role("button", name="Send", exact=True).click()
    _expect_mail(page, "lin@example.com", "Sent by hand")
    context.close()


def _expect_mail(page: Page, recipient: str, text: str) -> None:
    mailbox = page.get_by_role("region", name="Mailbox")
    assert recipient in mailbox.inner_text()
    assert text in mailbox.inner_text()
