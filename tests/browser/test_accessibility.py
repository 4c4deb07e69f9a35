"""Our pages have no serious finding of axe-core, in light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.admin.sample import SECRET, make_instance

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.browser

axe = pytest.importorskip("axe_playwright_python.sync_playwright")

OURS = ["#content"]
"""The part of a page that we draw; the rest is Django's admin."""


def find_serious(page: Page) -> list[str]:
    """Return what axe-core finds on the part of the page that is ours."""
    found: Any = axe.Axe().run(page, context={"include": [OURS]})
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in found.response["violations"]
        if violation["impact"] in {"serious", "critical"}
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_finding(admin_page: Page, items: dict[str, PluginItem], theme: Any) -> None:
    """The choice, the form (new, stored, refused), the list and the order of selection can be used by everyone."""
    senders = [{"name": "a", "token": SECRET}, {"name": "b", "token": SECRET}]
    row = make_instance(
        items["twilio"], config={"account_sid": "AC" + "0" * 32, "auth_token": SECRET, "senders": senders}
    )
    make_instance(items["twilio"], "off", status="disable")
    base = "/admin/django_plugin_system"
    admin_page.emulate_media(color_scheme=theme)
    findings: dict[str, list[str]] = {}
    for address in (
        f"{base}/plugininstance/add/",
        f"{base}/plugininstance/add/?item={items['twilio'].pk}",
        f"{base}/plugininstance/{row.pk}/change/",
        f"{base}/plugininstance/",
        f"{base}/plugintype/{row.item.plugin_type_id}/change/",
    ):
        admin_page.goto(address)
        admin_page.wait_for_load_state("networkidle")
        findings[address] = find_serious(admin_page)
    admin_page.goto(f"{base}/plugininstance/add/?item={items['twilio'].pk}")
    admin_page.get_by_role("button", name="Save", exact=True).click()
    admin_page.locator(".rjf-error-text").first.wait_for()
    findings["refused"] = find_serious(admin_page)
    assert {address: found for address, found in findings.items() if found} == {}
