"""The generated form in a browser: headings, focus, names of buttons, its language, a form of many fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from pydantic import BaseModel, Field, SecretStr, create_model

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.registry import ItemSpec, registry
from tests.admin.sample import SECRET, SID, AbstractSms, make_instance
from tests.browser.test_main_job import LIST, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    Shoot = Callable[..., Any]

pytestmark = pytest.mark.browser

CONNECTION: Any = {"group": "Connection"}
LIMITS: Any = {"group": "Limits"}


class Grouped(BaseModel):
    """Fields under headings."""

    host: str = Field("", json_schema_extra=CONNECTION)
    label: str = ""
    per_day: int = Field(5, json_schema_extra=LIMITS, ge=1)
    port: int = Field(25, json_schema_extra=CONNECTION)
    key: SecretStr | None = Field(None, json_schema_extra=CONNECTION)


MANY: dict[str, Any] = {f"field_{number:03}": (str, "x") for number in range(200)}
Wide = create_model("Wide", **MANY)


def add_item(items: dict[str, PluginItem], name: str, schema: type[BaseModel]) -> PluginItem:
    """Register an item with this schema beside the sample's, and return its row."""
    plugin_class = type(
        "Made", (ConfigurablePlugin, AbstractSms), {"config_schema": schema, "send": lambda *_given: "sent"}
    )
    registry.add_item(ItemSpec(name, f"apps.{name}", plugin_class, ("sms", "apps.sms")))
    return PluginItem.objects.create(plugin_type=items["twilio"].plugin_type, name=name, module=f"apps.{name}")


def get_focus(page: Page, attribute: str = "name") -> Any:
    """Return an attribute of the element that has the focus."""
    return page.evaluate(f"document.activeElement.getAttribute('{attribute}')")


def open_sample(page: Page, items: dict[str, PluginItem], *names: str) -> None:
    """Open the form of an instance with senders of these names."""
    senders = [{"name": name, "token": SECRET} for name in names]
    row = make_instance(items["twilio"], config={"account_sid": SID, "auth_token": SECRET, "senders": senders})
    page.goto(f"{LIST}{row.pk}/change/")
    expect(field(page, "timeout")).to_be_visible()


def test_headings(admin_page: Page, items: dict[str, PluginItem], screenshot: Shoot) -> None:
    """Fields of a group stand together under its heading, after those without; what is saved is the same."""
    page = admin_page
    page.goto(f"{LIST}add/?item={add_item(items, 'grouped', Grouped).pk}")
    page.get_by_label("Name:").fill("grouped")
    expect(field(page, "host")).to_be_visible()
    names = page.evaluate("Array.from(document.querySelectorAll('[name^=rjf]')).map((i) => i.name.slice(4))")
    assert names == ["label", "host", "port", "key", "per_day"]
    rows = page.locator("[data-dps-heading]")
    assert [row.get_attribute("data-dps-heading") for row in rows.all()] == ["Connection", "Limits"]
    assert (
        page.evaluate("getComputedStyle(document.querySelector('[data-dps-heading]'), '::before').content")
        == '"Connection"'
    )
    screenshot("groups", full_page=True)
    field(page, "host").fill("h")
    field(page, "per_day").fill("0")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".rjf-error-text")).to_contain_text("Enter 1 or more.")
    field(page, "per_day").fill("7")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert PluginInstance.objects.get().config == {"host": "h", "label": "", "per_day": 7, "port": 25, "key": None}


def test_focus_after_adding_moving_and_removing(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """Lists can be edited from the keyboard alone: the focus goes where the next key press is meant to go."""
    page = admin_page
    open_sample(page, items, "a", "b")
    page.get_by_role("button", name="Add Sender: Senders").focus()
    page.keyboard.press("Enter")
    expect(field(page, "senders§2§name")).to_be_focused()
    page.keyboard.type("c")
    page.get_by_role("button", name="Move up: Senders 3").focus()
    page.keyboard.press("Enter")
    expect(field(page, "senders§1§name")).to_have_value("c")
    expect(page.get_by_role("button", name="Move up: Senders 2")).to_be_focused()
    page.keyboard.press("Enter")
    expect(field(page, "senders§0§name")).to_have_value("c")
    expect(page.get_by_role("button", name="Move down: Senders 1")).to_be_focused()
    page.get_by_role("button", name="Remove: Senders 3").focus()
    page.keyboard.press("Enter")
    for number in (2, 1):
        expect(page.get_by_role("button", name=f"Remove: Senders {number}")).to_be_focused()
        page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Add Sender: Senders")).to_be_focused()
    expect(page.get_by_role("button", name="Remove")).to_have_count(0)


def test_focus_at_the_first_error(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """A refused form opens with the focus in the first input that was refused."""
    open_sample(admin_page, items)
    field(admin_page, "retry§attempts").fill("99")
    field(admin_page, "timeout").fill("-1")
    admin_page.get_by_role("button", name="Save", exact=True).click()
    expect(field(admin_page, "timeout")).to_be_focused()
    assert get_focus(admin_page, "aria-invalid") == "true"


def test_names_for_those_who_cannot_see(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """Groups, items and buttons say what they belong to; what must be filled in says so."""
    page = admin_page
    open_sample(page, items, "a", "b")
    expect(page.get_by_role("group", name="Retry")).to_be_visible()
    expect(page.get_by_role("group", name="Sender 2")).to_be_visible()
    expect(page.get_by_role("button", name="Collapse: Retry")).to_be_visible()
    expect(field(page, "account_sid")).to_have_attribute("aria-required", "true")
    page.get_by_role("button", name="Collapse: Retry").click()
    expect(page.get_by_role("button", name="Expand: Retry")).to_be_focused()


def test_german(admin_page: Page, items: dict[str, PluginItem], screenshot: Shoot, settings: Any) -> None:
    """The generated form speaks the operator's language, with what the renderer writes in English."""
    settings.LANGUAGE_CODE = "de"
    page = admin_page
    open_sample(page, items, "a", "b")
    expect(page.get_by_role("button", name="Sender hinzufügen: Senders")).to_have_text("Sender hinzufügen")
    expect(page.get_by_role("button", name="Nach oben: Senders 2")).to_be_visible()
    page.get_by_role("button", name="Einklappen: Retry").click()
    expect(page.get_by_role("button", name="Ausklappen: Retry")).to_be_visible()
    expect(page.locator(".rjf-collapsed-indicator")).to_have_text("Eingeklappt")
    assert page.evaluate("document.querySelector('select[name$=region] option').textContent") == "Auswählen …"
    page.get_by_role("button", name="Entfernen: Senders 1").click()
    expect(field(page, "senders§0§name")).to_have_value("b")
    screenshot("german", full_page=True)
    page.get_by_role("button", name="Sichern", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert [sender.name for sender in PluginInstance.objects.get().load_config().senders] == ["b"]  # type: ignore[union-attr]


def test_200_fields(admin_page: Page, items: dict[str, PluginItem]) -> None:
    """A form of 200 fields opens, takes an edit, reports an error in the last field, and saves."""
    page = admin_page
    page.goto(f"{LIST}add/?item={add_item(items, 'wide', Wide).pk}")
    page.get_by_label("Name:").fill("wide")
    field(page, "field_199").fill("last")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    assert PluginInstance.objects.get().config["field_199"] == "last"
