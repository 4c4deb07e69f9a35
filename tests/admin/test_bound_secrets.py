"""Bound secrets in the admin: a staff user cannot send a stored secret to an endpoint of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.admin.bound import make_bound
from tests.admin.helpers import edit_config, get_raw_config, get_row, open_change, read_form, save_change, url
from tests.admin.sample import SECRET
from tests.support.rows import write_raw

if TYPE_CHECKING:
    from django.test import Client

    from django_plugin_system.models import PluginInstance, PluginItem

EVIL = "https://evil.example"


@pytest.fixture
def bound(items: dict[str, PluginItem]) -> PluginInstance:
    """Return a stored instance with bound secrets."""
    return make_bound(items["twilio"].plugin_type)


def test_a_changed_endpoint_asks_for_the_secret(admin_client: Client, bound: PluginInstance) -> None:
    """The error stands at the secret; the form comes back with its placeholder, and takes the secret typed anew."""
    before = get_raw_config(bound)
    refused = save_change(admin_client, bound, edit_config(open_change(admin_client, bound), endpoint=EVIL))
    assert refused.status_code == 200
    [error] = refused.context["adminform"].form.errors["config"]
    assert error == "Token: belongs to endpoint, which was changed: enter this secret again"
    assert list(refused.context["adminform"].form.fields["config"].widget.error_map) == ["token"]
    assert get_raw_config(bound) == before
    again = edit_config(read_form(refused), token=SECRET)
    assert json.loads(again["config"])["endpoint"] == EVIL
    assert save_change(admin_client, bound, again).status_code == 302
    assert get_row(bound).load_config().endpoint == EVIL


def test_items_may_be_reordered_but_their_secrets_not_mixed(admin_client: Client, bound: PluginInstance) -> None:
    """A moved server keeps its secret; one that is given another's, or another address, does not."""
    form = open_change(admin_client, bound)
    first, second = json.loads(form["config"])["mirrors"]
    for mirrors in (
        [{**first, "key": second["key"]}],
        [second, {**first, "url": EVIL}],
        [{**second, "url": EVIL}, first],
    ):
        before = get_raw_config(bound)
        assert save_change(admin_client, bound, edit_config(form, mirrors=mirrors)).status_code == 200
        assert get_raw_config(bound) == before
    assert save_change(admin_client, bound, edit_config(form, mirrors=[second, first])).status_code == 302
    assert [mirror.key.get_secret_value() for mirror in get_row(bound).load_config().mirrors] == [
        f"{SECRET}-b",
        f"{SECRET}-a",
    ]


def test_everything_else_can_be_edited(admin_client: Client, bound: PluginInstance) -> None:
    """The secrets need not be typed for another field."""
    form = edit_config(open_change(admin_client, bound), note="new")
    assert save_change(admin_client, bound, form).status_code == 302
    assert get_row(bound).load_config().note == "new"
    assert get_row(bound).load_plugin().send("0", "hi") == "0 hi"


def test_an_endpoint_changed_in_the_table_is_shown_and_mended(admin_client: Client, bound: PluginInstance) -> None:
    """The page opens, says why the row is not used, keeps nothing, and takes the secret typed anew."""
    write_raw(bound.pk, config={**bound.config, "endpoint": EVIL})
    page = admin_client.get(url("change", bound.pk))
    assert "belongs to another value of endpoint" in page.content.decode()
    assert admin_client.get(url("changelist")).status_code == 200
    form = read_form(page)
    assert save_change(admin_client, bound, edit_config(form, note="new")).status_code == 200
    assert save_change(admin_client, bound, edit_config(form, token=SECRET)).status_code == 302
    assert get_row(bound).reason_unusable() is None
