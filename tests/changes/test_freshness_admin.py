"""What operators do in the admin, and a rotation of keys, is seen by the very next selection of every process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from django_plugin_system.config.keyring import get_derived_keys, make_key, show_key
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rotation import rotate_secrets
from tests.support import errands
from tests.support.errands import choose
from tests.support.rows import add_instance, get_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

    from tests.support.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True)

WORSE = "provider/worse/AC1"


@pytest.fixture(params=[False, True], ids=["autocommit", "ATOMIC_REQUESTS"])
def operator(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Client]:
    """Return the browser of somebody who may do everything, with and without a transaction around each request."""
    del transactional_db
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    connection.settings_dict["ATOMIC_REQUESTS"] = request.param
    yield client
    connection.settings_dict["ATOMIC_REQUESTS"] = False


def post(client: Client, page: str, data: dict[str, Any], *args: Any) -> None:
    """Send a form of the admin; it must be accepted."""
    response = client.post(reverse(f"admin:django_plugin_system_{page}", args=args), data)
    assert response.status_code == 302, response.content.decode()


def _run_action(client: Client, action: str, *names: str) -> None:
    rows = PluginInstance.objects.filter(name__in=names)
    post(client, "plugininstance_changelist", {"action": action, "_selected_action": [row.pk for row in rows]})


def _act(client: Client) -> None:
    _run_action(client, "mark_disabled", "main")


def _delete_selected(client: Client) -> None:
    keys = [PluginInstance.objects.get(name="main").pk]
    data = {"action": "delete_selected", "post": "yes", "_selected_action": keys}
    post(client, "plugininstance_changelist", data)


def _delete(client: Client) -> None:
    post(client, "plugininstance_delete", {"post": "yes"}, PluginInstance.objects.get(name="main").pk)


def _edit_list(client: Client) -> None:
    page = client.get(reverse("admin:django_plugin_system_plugininstance_changelist"))
    formset = page.context["cl"].formset
    data: dict[str, Any] = {f"form-{key}": value for key, value in formset.management_form.initial.items()}
    for number, form in enumerate(formset.forms):
        values = {"id": form.instance.pk, "status": "active", "priority": 9 if form.instance.name == "main" else 1}
        data |= {f"form-{number}-{key}": value for key, value in values.items()}
    post(client, "plugininstance_changelist", {**data, "_save": "Save"})


ACTS = [_act, _delete_selected, _delete, _edit_list]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__.strip("_"))
def test_every_act_of_an_operator_is_seen(other: Worker, operator: Client, act: Callable[[Client], None]) -> None:
    """An action, a deletion and an edited list count at once, here and in the other process."""
    act(operator)
    assert errands.choose_in_all_ways() == other.ask("choose_in_all_ways") == [WORSE, "AC1", "AC1"]


def test_an_action_on_items_is_seen(other: Worker, operator: Client) -> None:
    """Disabling an item takes its instances out everywhere."""
    add_instance("spare", get_item("other"))
    keys = [PluginItem.objects.get(name="provider").pk]
    post(operator, "pluginitem_changelist", {"action": "mark_disabled", "_selected_action": keys})
    assert choose() == other.ask("choose") == "other/spare/AC1"


def test_a_rotation_is_seen(other: Worker, settings: Settings) -> None:
    """Rows that were rotated are read anew at once: a process without the new key notices that it lacks it."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key(), show_key(get_derived_keys()[0])]}
    assert choose() == other.ask("choose") == "provider/main/AC1"
    assert rotate_secrets().rewritten == 2
    assert choose() == "provider/main/AC1"
    assert other.ask("choose") is None
