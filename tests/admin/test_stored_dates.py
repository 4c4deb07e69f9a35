"""The page of an instance says since when each of its secrets is stored."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_plugin_system.admin.columns import format_time
from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.helpers import edit_config, get_row, make_user_client, read_form, url
from tests.admin.sample import CONFIG, SECRET, make_instance

if TYPE_CHECKING:
    from django.test import Client

LONG_AGO = "2020-02-29T23:30:00+00:00"


def add_old(item: PluginItem) -> PluginInstance:
    """Store an instance with two secrets: that of the list long ago, the other one before there were dates."""
    row = make_instance(item, config={**CONFIG, "senders": [{"name": "a", "token": SECRET}]})
    PluginInstance.objects.filter(pk=row.pk).update(secret_dates={'["senders","0","token"]': LONG_AGO})
    return row


SHOWN = {"Senders > 1 > Token": "02/29/2020 5:30 p.m."}
"""In Chicago, where Django is at home."""


def get_notes(client: Client, row: PluginInstance) -> dict[str, str]:
    """Return what the page says of each stored secret, by title."""
    response = client.get(url("change", row.pk))
    assert SECRET not in response.content.decode()
    return {note["title"]: note["exact"] for note in response.context["secret_notes"]}


def test_each_secret_has_its_date(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """The title of the field stands with the date, also inside a list; unknown dates are left out."""
    row = add_old(items["twilio"])
    assert get_notes(admin_client, row) == SHOWN
    page = admin_client.get(url("change", row.pk)).content.decode()
    placeholder = json.loads(read_form(admin_client.get(url("change", row.pk)))["config"])["senders"][0]["token"]
    assert f'data-placeholder="{placeholder}"' in page
    assert re.search(r"Senders &gt; 1 &gt; Token: Stored, \d+.years ago \(02/29/2020 5:30 p.m.\)", page)


def test_dates_are_shown_in_local_time(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """It was March already, east of Greenwich."""
    row = add_old(items["twilio"])
    with timezone.override("Asia/Tehran"):
        assert get_notes(admin_client, row) == {"Senders > 1 > Token": "03/01/2020 3 a.m."}


def test_dates_follow_the_form(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """A kept secret keeps its date, a replaced one gets that of now, a removed one has none."""
    row = add_old(items["twilio"])
    form = read_form(admin_client.get(url("change", row.pk)))
    assert admin_client.post(url("change", row.pk), edit_config(form, auth_token="new", timeout=3)).status_code == 302
    notes = get_notes(admin_client, row)
    assert SHOWN.items() <= notes.items()
    assert notes["Auth token"] != notes["Senders > 1 > Token"]
    form = read_form(admin_client.get(url("change", row.pk)))
    admin_client.post(url("change", row.pk), edit_config(form, senders=[]))
    assert set(get_row(row).secret_dates) == {'["auth_token"]'}


def test_a_refused_form_shows_what_is_stored(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """What was typed has no date yet."""
    row = add_old(items["twilio"])
    form = read_form(admin_client.get(url("change", row.pk)))
    response = admin_client.post(url("change", row.pk), edit_config({**form, "name": "not a slug"}, auth_token="new"))
    assert [note["title"] for note in response.context["secret_notes"]] == ["Senders > 1 > Token"]


def test_viewers_see_dates(items: dict[str, PluginItem]) -> None:
    """Who may only look sees since when, and nothing that stands for the secret."""
    row = add_old(items["twilio"])
    client = make_user_client("view_plugininstance")
    assert get_notes(client, row) == SHOWN
    assert "stored secret " not in client.get(url("change", row.pk)).content.decode()


def test_code_that_is_gone(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """Without the schema the stored path stands for the title."""
    row = add_old(items["twilio"])
    PluginItem.objects.filter(pk=items["twilio"].pk).update(module="apps.removed")
    assert list(get_notes(admin_client, row)) == ["senders > 0 > token"]


@pytest.mark.parametrize("junk", [[], "x", {'["senders","0","token"]': "junk"}])
def test_no_date_no_note(admin_client: Client, items: dict[str, PluginItem], junk: Any) -> None:
    """Whatever stands in the column, the page opens."""
    row = add_old(items["twilio"])
    PluginInstance.objects.update(secret_dates=junk)
    assert get_notes(admin_client, row) == {}


@pytest.mark.parametrize("edge", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_dates_at_the_edges_of_the_calendar(admin_client: Client, items: dict[str, PluginItem], edge: str) -> None:
    """A day that no local time can say is shown as it is noted, and the page opens."""
    row = add_old(items["twilio"])
    PluginInstance.objects.update(secret_dates={'["senders","0","token"]': edge})
    for zone in ("Asia/Tokyo", "America/Chicago"):
        with timezone.override(zone):
            assert list(get_notes(admin_client, row)) == ["Senders > 1 > Token"]


def test_a_cooldown_that_never_ends(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """The page and the list open, in any time zone."""
    until = dt.datetime.max.replace(tzinfo=dt.timezone.utc)
    row = make_instance(items["twilio"], unavailable_until=until)
    with timezone.override("Asia/Tokyo"):
        for page in (url("change", row.pk), url("changelist")):
            assert admin_client.get(page).status_code == 200


def test_dates_in_text_mode(admin_client: Client, items: dict[str, PluginItem], settings: Any) -> None:
    """Without django_jsonform the same list stands below the text."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_jsonform"]
    assert get_notes(admin_client, add_old(items["twilio"])) == SHOWN


def test_nobody_guesses_a_secret_by_its_date(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """A secret that was typed has the date of now, and the row a new revision, also if it was right."""
    row = add_old(items["twilio"])
    form = read_form(admin_client.get(url("change", row.pk)))
    [sender] = json.loads(form["config"])["senders"]
    copies = [{**sender, "name": str(index)} for index in range(3)]
    assert admin_client.post(url("change", row.pk), edit_config(form, senders=copies)).status_code == 302
    copied = get_row(row)
    PluginInstance.objects.update(secret_dates=dict.fromkeys(copied.secret_dates, LONG_AGO))
    guesses = [{**sender, "token": guess} for sender, guess in zip(copies, ["no", SECRET, "nor"], strict=True)]
    form = read_form(admin_client.get(url("change", row.pk)))
    assert admin_client.post(url("change", row.pk), edit_config(form, senders=guesses)).status_code == 302
    guessed = get_row(row)
    dates = {guessed.secret_dates[f'["senders","{index}","token"]'] for index in range(3)}
    assert len(dates) == 1
    assert LONG_AGO not in dates
    assert guessed.config_revision != copied.config_revision


def test_a_time_without_a_zone() -> None:
    """In a project without time zones a time is shown as it is stored."""
    assert format_time(dt.datetime(2026, 1, 2, 15, 4)) == "01/02/2026 3:04 p.m."  # noqa: DTZ001 - that is the point
