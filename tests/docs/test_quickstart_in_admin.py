"""The quickstart with its steps in the admin done in a real browser, as the text says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.docs.conftest import open_terminal
from tests.docs.pages import QUICKSTART
from tests.docs.story import Story
from tests.support.chromium import take_picture

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.sqlite, pytest.mark.browser]

TOKENS = {"transactional": "code-token-123", "marketing": "offer-token-456"}
SENDERS = {"transactional": "Shop", "marketing": "Offers"}


def field(page: Page, name: str) -> Locator:
    """Return the input of one field of the configuration."""
    return page.locator(f'[name="rjf§{name}"]')


def log_in(page: Page) -> None:
    """Log in with what the quickstart's command created."""
    page.goto("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("tutorial")
    page.get_by_role("button", name="Log in").click()


def add_instance(page: Page, name: str, sender: str) -> None:
    """Add one instance, as step 4 says."""
    page.goto("/admin/")
    page.locator(".model-plugininstance").get_by_role("link", name="Add").click()
    page.get_by_role("link", name="gateway").click()
    page.get_by_label("Name:").fill(name)
    field(page, "endpoint").fill("http://127.0.0.1:9/messages")
    field(page, "token").fill(TOKENS[name])
    field(page, "sender").fill(sender)
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.locator("body")).to_contain_text("PluginUnavailable: The gateway does not answer.")
    page.get_by_role("button", name="Save", exact=True).click()


def follow_step_4(page: Page) -> None:
    """Do what step 4 says, and look at what it promises."""
    log_in(page)
    for name, sender in SENDERS.items():
        add_instance(page, name, sender)
        expect(page.locator(".messagelist .success")).to_be_visible()
    page.locator("#result_list").get_by_role("link", name="transactional").click()
    assert not [token for token in TOKENS.values() if token in page.content()]
    take_picture(page, "tutorial-form", full_page=True)
    field(page, "sender").fill("twelve chars")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".rjf-error-text")).to_contain_text("At most this many characters: 11.")


def test_the_quickstart_runs_with_its_steps_in_the_admin(browser: Browser, tmp_path: Path) -> None:
    """What an operator does in the admin by the quickstart's words is what the rest of it goes on with."""

    def use_admin(address: str) -> None:
        context = browser.new_context(base_url=address, viewport={"width": 1280, "height": 900})
        follow_step_4(context.new_page())
        context.close()

    Story(open_terminal(tmp_path), in_admin=use_admin).tell(QUICKSTART)
