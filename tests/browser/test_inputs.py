"""What stands beside the inputs of a form: of secrets, references, dates, durations, choices; names of entries."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any, Literal

import pytest
from playwright.sync_api import expect
from pydantic import BaseModel, Field, SecretStr

from django_plugin_system.models import PluginInstance
from tests.admin.sample import SECRET, make_instance
from tests.browser.test_accessibility import find_serious
from tests.browser.test_form import add_item
from tests.browser.test_main_job import LIST, field

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Locator, Page
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("strict_policy")]


class Sender(BaseModel):
    """An entry of a list."""

    name: str
    token: SecretStr


class Everything(BaseModel):
    """A field for each kind of help."""

    api_key: SecretStr
    spare: SecretStr | None = None
    code: str = Field("AB1", pattern="^[A-Z]{2}[0-9]+$", examples=["AB123"])
    since: dt.date | None = None
    at: dt.time | None = None
    when: dt.datetime | None = None
    pause: dt.timedelta = dt.timedelta(minutes=5)
    days: set[Literal["mon", "tue", "wed"]] = set()
    senders: list[Sender] = []
    headers: dict[str, str] = {}
    target: int | str = 5


CONFIG: dict[str, Any] = {
    "api_key": SECRET,
    "since": "2026-01-31",
    "when": "2026-01-31T12:00:00Z",
    "days": ["mon"],
    "senders": [{"name": "main", "token": SECRET}, {"name": "other", "token": SECRET}],
    "headers": {"X-A": "1"},
}


@pytest.fixture
def row(items: dict[str, PluginItem]) -> PluginInstance:
    """Return an instance with everything."""
    return make_instance(add_item(items, "everything", Everything), "night", config=CONFIG)


@pytest.fixture
def form(admin_page: Page, row: PluginInstance) -> Page:
    """Return a tab with the form of that instance."""
    admin_page.goto(f"{LIST}{row.pk}/change/")
    expect(field(admin_page, "code")).to_be_visible()
    return admin_page


def beside(page: Page, path: str) -> Locator:
    """Return what the input at a form path stands in."""
    return page.locator(".rjf-input-group", has=field(page, path))


def save(page: Page) -> Any:
    """Save the form, which must be accepted, and return the configuration."""
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.locator(".messagelist .success")).to_be_visible()
    return PluginInstance.objects.get().load_config()


def test_a_stored_secret_can_be_replaced_cleared_and_kept(form: Page) -> None:
    """Each has a button, and the words say what will become of it; looking away without typing changes nothing."""
    key = beside(form, "api_key")
    status = key.locator(".dps-status")
    expect(status).to_have_text("Stored, just now")
    key.get_by_role("button", name="Replace").click()
    expect(status).to_have_text("Type the new secret.")
    expect(field(form, "api_key")).to_be_focused()
    form.keyboard.press("Tab")
    expect(status).to_have_text("Stored, just now")
    key.get_by_role("button", name="Clear").click()
    expect(status).to_have_text("The stored secret is removed when you save.")
    key.get_by_role("button", name="Keep the stored one").click()
    expect(status).to_have_text("Stored, just now")
    key.get_by_role("button", name="Replace").click()
    form.keyboard.type("typed")
    expect(status).to_have_text("Replaces the stored secret when you save.")
    assert save(form).api_key.get_secret_value() == "typed"


def test_what_is_typed_can_be_looked_at(form: Page) -> None:
    """A new secret has an eye while it is typed; a stored one has none."""
    shown = "box => getComputedStyle(box).webkitTextSecurity"
    expect(beside(form, "api_key").get_by_role("button", name="Show")).to_be_hidden()
    field(form, "spare").fill("typed")
    eye = beside(form, "spare").get_by_role("button", name="Show")
    assert field(form, "spare").evaluate(shown) == "disc"
    eye.click()
    expect(eye).to_have_attribute("aria-pressed", "true")
    assert field(form, "spare").evaluate(shown) == "none"
    eye.click()
    assert field(form, "spare").evaluate(shown) == "disc"


def test_the_secret_of_a_removed_entry_is_not_offered_to_the_next(form: Page) -> None:
    """The inputs of a list move up: what is remembered of one entry is not the next one's."""
    second = field(form, "senders§1§token").input_value()
    form.get_by_role("button", name="Remove: Senders 1").click()
    expect(field(form, "senders§0§token")).to_have_value(second)
    beside(form, "senders§0§token").get_by_role("button", name="Clear").click()
    beside(form, "senders§0§token").get_by_role("button", name="Keep the stored one").click()
    expect(field(form, "senders§0§token")).to_have_value(second)
    assert [sender.name for sender in save(form).senders] == ["other"]


def test_a_value_may_stand_elsewhere(
    admin_page: Page,
    row: PluginInstance,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    strict_policy: list[str],
) -> None:
    """A switch offers what the settings allow, says what is there, and goes back to the value that stood there."""
    page = admin_page
    (tmp_path / "token").write_text("from a file")
    monkeypatch.setenv("APP_TOKEN", "from the environment")
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["APP_*", "GONE"], "FILE_REFERENCES": [str(tmp_path)]}
    page.goto(f"{LIST}{row.pk}/change/")
    key = beside(page, "api_key")
    stored = field(page, "api_key").input_value()
    where = key.get_by_label("Where the value stands")
    where.select_option(label="Environment variable")
    names = key.get_by_label("Environment variable").first
    expect(names.locator("option")).to_have_text(["Choose", "✓ APP_TOKEN", "✗ GONE", "Another one…"])
    names.select_option("GONE")
    expect(key.locator(".dps-tick")).to_have_text("✗ not there")
    where.select_option(label="Value")
    expect(field(page, "api_key")).to_have_value(stored)
    where.select_option(label="File")
    key.get_by_label("File").first.select_option(str(tmp_path / "token"))
    expect(key.locator(".dps-tick")).to_have_text("✓ found")
    code = beside(page, "code")
    code.get_by_label("Where the value stands").select_option(label="Environment variable")
    code.get_by_label("Environment variable").first.select_option(label="Another one…")
    code.get_by_label("Environment variable").last.fill("APP_CODE")
    monkeypatch.setenv("APP_CODE", "AB7")
    config = save(page)
    assert (config.api_key.get_secret_value(), config.code) == ("from a file", "AB7")
    stored_config: Any = PluginInstance.objects.get().config
    assert stored_config["code"] == {"$env": "APP_CODE"}
    expect(beside(page, "code").get_by_label("Environment variable").first).to_have_value("APP_CODE")
    assert find_serious(page, strict_policy) == []


def test_dates_and_durations(form: Page) -> None:
    """The browser's own pickers help with dates and times, an amount and a unit with durations; zones are kept."""
    expect(field(form, "since")).to_have_attribute("type", "date")
    expect(field(form, "at")).to_have_attribute("type", "time")
    field(form, "since").fill("2026-02-28")
    field(form, "at").fill("08:15")
    beside(form, "when").get_by_label("Choose").fill("2026-03-01T10:00:05")
    expect(field(form, "when")).to_have_value("2026-03-01T10:00:05Z")
    pause = beside(form, "pause")
    expect(pause.get_by_label("Pause", exact=True).last).to_have_value("5")
    pause.get_by_label("Unit").select_option(label="hours")
    pause.get_by_label("Pause", exact=True).last.fill("36")
    config = save(form)
    assert (config.since, config.at) == (dt.date(2026, 2, 28), dt.time(8, 15))
    assert config.when == dt.datetime(2026, 3, 1, 10, 0, 5, tzinfo=dt.timezone.utc)
    assert config.pause == dt.timedelta(hours=36)
    expect(pause.get_by_label("Unit")).to_have_value("hours")


def test_several_choices_are_boxes(form: Page) -> None:
    """Any number of a few choices is ticked, not typed."""
    group = form.get_by_role("group", name="Days")
    expect(group.get_by_label("mon")).to_be_checked()
    group.get_by_label("wed").check()
    group.get_by_label("mon").uncheck()
    assert save(form).days == {"wed"}


def test_entries_are_known_by_name(form: Page) -> None:
    """The title of an entry says its name as it is typed; the button that adds one says what."""
    expect(form.get_by_role("group", name="Sender 1: main")).to_be_visible()
    field(form, "senders§0§name").fill("renamed")
    expect(form.get_by_role("group", name="Sender 1: renamed")).to_be_visible()
    expect(form.get_by_role("button", name="Add Sender")).to_be_visible()
    expect(form.get_by_role("button", name="Add to Headers")).to_be_visible()


def test_buttons_can_be_hit(form: Page) -> None:
    """No button of the form is smaller than 24 pixels, and nothing sticks out on a telephone."""
    form.set_viewport_size({"width": 390, "height": 800})
    sizes = form.evaluate(
        """Array.from(document.querySelectorAll('.dps-config :is(button, select, .dps-choices label)'))
        .map((one) => one.getBoundingClientRect()).filter((box) => box.width).map((box) => [box.width, box.height])"""
    )
    assert [size for size in sizes if min(size) < 24] == []
    assert form.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_an_error_is_said_once(form: Page) -> None:
    """At its field, in plain words with the author's example; the list above is for what stands nowhere."""
    field(form, "code").fill("x")
    form.get_by_role("button", name="Save and continue editing").click()
    expect(form.locator(".rjf-error-text")).to_have_text("This is not in the expected form. Example: AB123")
    expect(form.locator(".errorlist")).to_be_hidden()
    expect(field(form, "code")).to_be_focused()


def test_a_choice_between_types_looks_like_a_field(form: Page) -> None:
    """Its label stands above it, like that of every field."""
    label = form.locator("label", has_text=re.compile("^Target$"))
    box: Any = label.bounding_box()
    choice: Any = form.get_by_label("Target", exact=True).bounding_box()
    assert box["y"] + box["height"] <= choice["y"] + 1
    assert abs(box["x"] - choice["x"]) < 8
