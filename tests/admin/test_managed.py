"""An instance that a file manages is shown in the admin, tested and used, but not changed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.urls import reverse
from django.utils import timezone

from django_plugin_system.models import PluginInstance
from tests.admin.helpers import get_row, open_change, url
from tests.admin.sample import CONFIG
from tests.support.health import set_health

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def managed(checked: PluginInstance) -> PluginInstance:
    """Return an instance with a test, which a file declares."""
    PluginInstance.objects.filter(pk=checked.pk).update(managed_by="plugins.yaml")
    row: PluginInstance = get_row(checked)
    return row


def test_the_page_says_which_file_it_is(admin_client: Client, managed: PluginInstance) -> None:
    """Nothing can be typed into it, and a line says where to change it."""
    page = admin_client.get(url("change", managed.pk)).content.decode()
    assert "The file plugins.yaml manages this instance: change it there, then run pluginapply." in page
    assert 'name="_save"' not in page
    assert 'name="name"' not in page
    assert CONFIG["auth_token"] not in page


def test_nothing_is_changed(admin_client: Client, managed: PluginInstance) -> None:
    """Whatever is posted, from the page, the list or an action, is refused; so is its deletion."""
    PluginInstance.objects.update(managed_by="")
    form = open_change(admin_client, managed)
    PluginInstance.objects.update(managed_by="plugins.yaml")
    assert admin_client.post(url("change", managed.pk), {**form, "name": "new"}).status_code == 403
    assert admin_client.post(url("delete", managed.pk), {"post": "yes"}).status_code == 403
    for action in ("mark_disabled", "delete_selected"):
        answer = admin_client.post(url("changelist"), {"action": action, "_selected_action": managed.pk, "post": "yes"})
        assert answer.status_code in {200, 302, 403}
    assert (get_row(managed).name, get_row(managed).status) == (managed.name, "active")


def test_it_can_be_tested_and_used_again(admin_client: Client, managed: PluginInstance) -> None:
    """How it fares is nothing that a file says."""
    answer = admin_client.post(url("change", managed.pk), {"_test": "1"}, HTTP_ACCEPT="application/json").json()
    assert answer["passed"]
    assert get_row(managed).last_tested_at is not None
    set_health([managed], unavailable_until=timezone.now() + timedelta(hours=1))
    overview = reverse("admin:django_plugin_system_overview")
    page = admin_client.get(overview)
    assert f'id="wake-{managed.pk}"' in page.content.decode()
    assert f'id="switch-{managed.pk}"' not in page.content.decode()
    seen = next(iter(page.context["chains"])).mark
    post = {"instance": managed.pk, "seen": seen}
    assert admin_client.post(overview, {**post, "do": "disable"}).status_code == 403
    assert admin_client.post(overview, {**post, "do": "wake"}).status_code == 302
    assert get_row(managed).unavailable_until is None
