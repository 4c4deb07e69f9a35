"""Whose an instance is, in the admin: typed in the form, shown and found in the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from django_plugin_system.models import PluginInstance, PluginItem
from tests.admin.helpers import get_row, open_change, read_form, save_change, url
from tests.admin.sample import make_instance

if TYPE_CHECKING:
    from django.test import Client

Items = dict[str, PluginItem]


def test_a_scope_is_typed_and_changed(admin_client: Client, items: Items) -> None:
    """The form has the field; a post that leaves it out leaves it alone."""
    row = make_instance(items["twilio"], name="main")
    form = open_change(admin_client, row)
    assert form["scope"] == ""
    assert save_change(admin_client, row, form | {"scope": "acme"}).status_code == 302
    assert get_row(row).scope == "acme"
    form = open_change(admin_client, row)
    del form["scope"]
    assert save_change(admin_client, row, form | {"description": "mine"}).status_code == 302
    assert (get_row(row).scope, get_row(row).description) == ("acme", "mine")


@pytest.mark.parametrize(("scope", "is_taken"), [("acme", True), ("other", False), ("", False)])
def test_a_name_is_refused_in_its_own_scope_only(
    admin_client: Client, items: Items, scope: str, *, is_taken: bool
) -> None:
    """The refusal is an error of the name, not one of the database."""
    PluginInstance.objects.create(item=items["console"], name="main", scope="acme")
    address = f"{url('add')}?item={items['console'].pk}"
    form = read_form(admin_client.get(address)) | {"name": "main", "scope": scope}
    response = admin_client.post(address, form)
    assert (response.status_code == 200) is is_taken
    assert (b"already" in response.content) is is_taken
    assert PluginInstance.objects.filter(item=items["console"], name="main").count() == 2 - is_taken


def test_the_list_shows_and_finds_scopes(admin_client: Client, items: Items) -> None:
    """A search finds one scope, a filter what is everybody's; the order is that of each scope."""
    for scope in ("acme", "other", ""):
        PluginInstance.objects.create(item=items["console"], name=f"n-{scope or 'all'}", scope=scope)

    def find(query: str) -> set[str]:
        page = admin_client.get(url("changelist") + query)
        assert page.status_code == 200
        return {row.name for row in page.context["cl"].result_list if row.name.startswith("n-")}

    assert "n-acme · acme" in admin_client.get(url("changelist")).content.decode()
    assert find("?whose=own") == {"n-acme", "n-other"}
    assert find("?whose=everybody") == {"n-all"}
    assert find("?q=acme&whose=own") == find("?scope=acme") == {"n-acme"}
