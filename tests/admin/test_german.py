"""The admin speaks the operator's language; logs, errors and the stored history stay English."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone, translation

from django_plugin_system.exceptions import NoPluginAvailable
from django_plugin_system.helpers import explain_selection, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from tests.admin.helpers import edit_config, get_row, read_form, url
from tests.admin.sample import make_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

Items = dict[str, PluginItem]


@pytest.fixture(autouse=True)
def german(settings: Any) -> Iterator[None]:
    """Answer in German, as to an operator whose browser asks for it."""
    settings.LANGUAGE_CODE = "de"
    translation.activate("de")
    yield
    translation.deactivate()


PAGES = [
    ("plugininstance", "changelist", ["Verwendbar", "Deaktiviert", "letzter Test", "deaktiviert"]),
    ("plugininstance", "add", ["Wählen Sie aus, was konfiguriert werden soll", "Suchen"]),
    ("pluginitem", "changelist", ["Typ und Modul", "Klasse lädt", "Priorität"]),
    ("plugintype", "changelist", ["m Code", "Verwalter"]),
]


@pytest.mark.parametrize(("model", "page", "texts"), PAGES)
def test_pages(admin_client: Client, items: Items, model: str, page: str, texts: list[str]) -> None:
    """Lists and the choice of an item are German."""
    make_instance(items["twilio"])
    make_instance(items["twilio"], "off", status=PluginStatus.DISABLED)
    answer = admin_client.get(url(page, model=model)).content.decode()
    assert not [text for text in texts if text not in answer]


def test_form(admin_client: Client, items: Items) -> None:
    """The form of an instance is German: labels, help texts, hints in the generated part, messages."""
    row = make_instance(items["twilio"])
    address = url("change", row.pk)
    page = admin_client.get(address)
    assert "Niedriger ist besser. Leer: die Priorität des Elements." in page.content.decode()
    assert "Das gespeicherte behalten" in page.content.decode()
    form = edit_config(read_form(page), auth_token="****")
    assert "Das ist eine Maskierung, kein Geheimnis." in admin_client.post(address, form).content.decode()
    form = edit_config(read_form(page), timeout=0)
    assert "Timeout: Bitte mehr als 0 eingeben." in admin_client.post(address, form).content.decode()
    form = read_form(page)
    PluginInstance.objects.filter(pk=row.pk).update(priority=77)
    assert "Jemand anderes hat diese Instanz geändert" in admin_client.post(address, form).content.decode()


def test_reasons(admin_client: Client, items: Items) -> None:
    """Reasons are German on a page; what code is told stays English."""
    until = timezone.now() + timedelta(hours=1)
    make_instance(items["twilio"], "cooling", unavailable_until=until, last_error="Timeout")
    make_instance(items["twilio"], "off", status=PluginStatus.DISABLED)
    page = admin_client.get(url("changelist")).content.decode()
    assert "Ausgesetzt</span>" in page
    assert re.search(r"Wieder verwendet <time [^>]*>in 59\xa0Minuten</time>\.", page)
    assert ">deaktiviert<" in page
    reasons = [candidate.reason for candidate in explain_selection("sms", "apps.sms").candidates]
    assert reasons == [f"cooling down until {until:%Y-%m-%d %H:%M:%S %Z}", "disabled"]
    with pytest.raises(NoPluginAvailable, match="cooling down until"):
        get_plugin("sms", "apps.sms")


def test_history(admin_client: Client, items: Items) -> None:
    """History is stored in English and shown in the reader's language, as Django does."""
    row = make_instance(items["twilio"], priority=1)
    data = {"action": "raise_priority", "_selected_action": [str(row.pk)]}
    assert "1 geändert" in admin_client.post(url("changelist"), data, follow=True).content.decode()
    assert get_row(row).priority == 0
    assert [entry.change_message for entry in LogEntry.objects.all()] == ['[{"changed": {"fields": ["Priority"]}}]']
    assert "Priorität geändert." in admin_client.get(url("history", row.pk)).content.decode()


def test_the_overview_comes_first(admin_client: Client) -> None:
    """The index sorts by titles: the page to begin with has one that comes first in German, too."""
    page = admin_client.get("/admin/").content.decode()
    assert page.index("Auf einen Blick") < page.index("Plugin-Elemente") < page.index("Plugin-Instanzen")
