"""The admin under other looks, django-unfold and django-jazzmin, and Django's own under the policy of django-csp."""

from __future__ import annotations

import json
import os
import re
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.support import warm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

BASE = "/admin/django_plugin_system/plugininstance"


@contextmanager
def serving(look: str, folder: Path) -> Iterator[dict[str, str]]:
    """Serve a project of this look in a process of its own, and say where."""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": f"tests.browser.themes.{look}",
        "TEST_DATABASE": "sqlite",
        "TEST_DATABASE_NAME": str(folder / "themed.sqlite3"),
    }
    command = [warm.python(), "-m", "tests.browser.themes.serve"]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        yield json.loads(server.stdout.readline())
        server.communicate("")


@pytest.mark.parametrize("look", ["unfold", "jazzmin", "csp"])
def test_the_main_job(browser: Browser, tmp_path: Path, look: str) -> None:
    """Choose an item, fill in its form, be refused, save, test, replace a secret: all of it without a script error."""
    with serving(look, tmp_path) as told:
        context = browser.new_context(base_url=told["url"], viewport={"width": 1280, "height": 900})
        context.set_default_timeout(10_000)
        page = context.new_page()
        heard: list[str] = []
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("console", lambda line: heard.append(line.text) if "Content Security Policy" in line.text else None)
        page.on(
            "response", lambda answer: heard.append(f"{answer.status} {answer.url}") if answer.status >= 500 else None
        )
        do_main_job(page, told["pk"])
        context.close()
    assert heard == []


def field(page: Page, path: str) -> Any:
    """Return the input at a form path."""
    return page.locator(f'[name="rjf§{path}"]')


def show_configuration(page: Page) -> None:
    """Open the part of the form with the configuration, where a look has put it into a tab."""
    page.wait_for_load_state("networkidle")
    tab = page.locator(".nav-tabs a", has_text="Configuration")
    if tab.count():
        tab.click()


def press(page: Page, name: str) -> None:
    """Press one of the buttons of a form."""
    page.locator(f"[name={name}]:visible").first.click()
    page.wait_for_load_state()


def do_main_job(page: Page, pk: str) -> None:
    """Do what an operator does most."""
    page.goto("/admin/login/?next=/admin/")
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill("admin-password")
    page.locator("[name=password]").press("Enter")
    page.wait_for_url("**/admin/")
    page.goto(f"{BASE}/add/")
    page.get_by_role("link", name="twilio").first.click()
    page.locator("[name=name]").fill("marketing")
    show_configuration(page)
    field(page, "account_sid").fill("wrong")
    field(page, "auth_token").fill("typed")
    press(page, "_continue")
    show_configuration(page)
    expect(page.locator(".rjf-error-text")).to_contain_text("Example: AC0")
    field(page, "account_sid").fill("AC" + "0123456789abcdef" * 2)
    press(page, "_continue")
    expect(page).to_have_url(re.compile(f"{BASE}/.*/change/"))
    page.goto(f"{BASE}/{pk}/change/")
    show_configuration(page)
    token = page.locator(".rjf-input-group", has=field(page, "auth_token"))
    expect(token.locator(".dps-status")).to_have_text("Stored, just now")
    page.get_by_role("button", name="Test", exact=True).first.click()
    expect(page.locator(".dps-test-result")).to_contain_text("The test passed.")
    token.get_by_role("button", name="Replace").click()
    page.keyboard.type("another")
    page.get_by_role("button", name="Add Sender").click()
    field(page, "senders§1§name").fill("b")
    field(page, "senders§1§token").fill("of b")
    press(page, "_continue")
    show_configuration(page)
    expect(field(page, "senders§1§name")).to_have_value("b")
    expect(token.locator(".dps-status")).to_have_text("Stored, just now")
    for address in (
        "plugininstance/",
        f"plugininstance/{pk}/delete/",
        f"plugininstance/{pk}/history/",
        "plugintype/",
        "pluginoverview/",
        "pluginitem/",
    ):
        answer = page.goto(f"/admin/django_plugin_system/{address}")
        assert answer is not None
        assert (answer.status, address) == (200, address)
    link = page.get_by_role("link", name="checked", exact=True).get_attribute("href")
    answer = page.goto(str(link))
    assert answer is not None
    assert answer.status == 200
