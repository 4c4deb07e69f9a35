"""However many rows there are: a page looks at those that it shows, and says where it looks at no more."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.utils import timezone

from django_plugin_system.admin import PluginInstanceAdmin, declared, instance_list, shared
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus, PluginType
from tests.admin.helpers import url
from tests.admin.sample import make_instance

if TYPE_CHECKING:
    from django.test import Client

Items = dict[str, PluginItem]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two rows be many."""
    monkeypatch.setattr(instance_list, "MOST_LOOKED_AT", 2)
    monkeypatch.setattr(shared, "MOST_AT_ONCE", 2)


def list_names(client: Client, query: str) -> tuple[set[str], str]:
    """Return the names in the list, and its page."""
    response = client.get(f"{url('changelist')}?{query}")
    return {row.name for row in response.context["cl"].result_list}, response.content.decode()


@pytest.mark.usefixtures("few")
def test_state_of_many(admin_client: Client, items: Items) -> None:
    """Among many, the filter by state goes by what the database knows, and says that it read no configuration."""
    make_instance(items["twilio"], "good")
    make_instance(items["twilio"], "cooling", unavailable_until=timezone.now() + timedelta(hours=1))
    make_instance(items["twilio"], "off", status=PluginStatus.DISABLED)
    PluginInstance.objects.bulk_create([PluginInstance(item=items["console"], name="gone")])
    assert list_names(admin_client, "state=attention")[0] == {"cooling"}
    PluginItem.objects.filter(pk=items["console"].pk).update(module="apps.removed")
    names, page = list_names(admin_client, "state=attention")
    assert names == {"cooling", "gone"}
    assert "More than 2 instances: their configurations were not read" in page
    assert list_names(admin_client, "state=usable")[0] == {"good"}
    assert list_names(admin_client, "state=off")[0] == {"off"}


def test_places_in_the_chain_of_a_name(admin_client: Client, items: Items) -> None:
    """Each instance is told its place among those of its own type and name, also if they stand on another page."""
    make_instance(items["twilio"], "a", priority=7)
    make_instance(items["twilio"], "b")
    PluginInstance.objects.bulk_create([PluginInstance(item=items["console"], name="a")])
    page = list_names(admin_client, f"item__id__exact={items['twilio'].pk}")[1]
    assert '<td class="field-position">2 of 2 <span class="dps-quiet"></span' in page
    assert '<td class="field-position">1 of 1 <span class="dps-quiet"></span' in page


def test_pages_lead_to_a_bounded_number(admin_client: Client, items: Items, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of more rows than anybody pages through leads to the first, and says so; a search finds the others."""
    monkeypatch.setattr(instance_list, "MOST_LISTED", 2)
    monkeypatch.setattr(PluginInstanceAdmin, "list_per_page", 1)
    for name in ("aa", "bb", "cc"):
        make_instance(items["twilio"], name)
    assert "The first 2 are listed." in list_names(admin_client, "p=2")[1]
    assert admin_client.get(f"{url('changelist')}?p=3").status_code == 302
    assert list_names(admin_client, "q=cc")[0] == {"cc"}


def test_a_search_among_many_begins_at_the_name(
    admin_client: Client, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is content with names that begin with the text, and says so; else, or among fewer, it looks everywhere."""
    monkeypatch.setattr(instance_list, "MOST_LISTED", 2)
    for name in ("mail", "mailing", "e-mail", "off"):
        make_instance(items["twilio"], name, status=PluginStatus.DISABLED if name == "off" else PluginStatus.ACTIVE)
    names, page = list_names(admin_client, "q=mail")
    assert (names, "names begin with “mail”" in page) == ({"mail", "mailing"}, True)
    names, page = list_names(admin_client, "q=ail")
    assert (names, "names begin with" in page) == ({"mail", "mailing", "e-mail"}, False)
    PluginInstance.objects.filter(name="mailing").update(status=PluginStatus.RESERVED)
    names, page = list_names(admin_client, "q=mail&status__exact=active")
    assert (names, "names begin with" in page) == ({"mail", "e-mail"}, False)


SEARCHES = [
    ("trans", {"transactional"}),
    ("twilio", {"transactional", "marketing"}),
    ("twilio mark", {"marketing"}),
    ("SMS", {"transactional", "marketing", "log"}),
    ("leaflets sms", {"marketing"}),
    ("console marketing", set()),
]


@pytest.mark.parametrize(("words", "names"), SEARCHES)
def test_search(admin_client: Client, items: Items, words: str, names: set[str]) -> None:
    """Every word has to be in the name or description of an instance, or in the name of its item or type."""
    make_instance(items["twilio"])
    make_instance(items["twilio"], "marketing", description="Leaflets")
    PluginInstance.objects.create(item=items["console"], name="log")
    assert list_names(admin_client, f"q={words}")[0] == names


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("action", ["mark_disabled", "delete_selected"])
def test_an_action_takes_a_bounded_number(admin_client: Client, items: Items, action: str) -> None:
    """Who selects a whole list that is too long for one request is told so, and nothing is done."""
    rows = [make_instance(items["twilio"], name) for name in ("a", "b", "c")]
    data: dict[str, Any] = {"action": action, "select_across": "1", "_selected_action": [str(rows[0].pk)]}
    page = admin_client.post(url("changelist"), data, follow=True).content.decode()
    assert "Nothing was done: at most 2 rows" in page
    assert PluginInstance.objects.filter(status=PluginStatus.ACTIVE).count() == 3
    response = admin_client.post(f"{url('changelist')}?name=a", data, follow=True)
    assert "Nothing was done" not in response.content.decode()


@pytest.mark.parametrize("model", ["pluginitem", "plugintype"])
def test_deletion_names_a_bounded_number(admin_client: Client, items: Items, model: str) -> None:
    """The first instances that stand in the way of a deletion are named, and it is said how many there are."""
    PluginInstance.objects.bulk_create(PluginInstance(item=items["console"], name=f"i{i:03}") for i in range(100))
    PluginInstance.objects.create(item=items["console"], name="default")
    pk = {"pluginitem": items["console"].pk, "plugintype": items["console"].plugin_type_id}[model]
    action = {"action": "delete_selected", "_selected_action": [str(pk)]}
    for response in (
        admin_client.get(url("delete", pk, model=model)),
        admin_client.post(url("changelist", model=model), action),
    ):
        page = response.content.decode()
        assert page.count("(console)</a>") == 20
        assert "100 instances in all" in page
        assert "default (console)" not in page
    admin_client.post(url("delete", pk, model=model), {"post": "yes"})
    assert PluginType.objects.filter(pk=items["console"].plugin_type_id).exists()
    assert PluginInstance.objects.count() == 101


def test_a_deletion_counts_no_further_than_it_needs(
    admin_client: Client, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of very many instances that stand in the way, it is said that they are more."""
    monkeypatch.setattr(declared, "MOST_COUNTED", 1)
    for name in ("aa", "bb"):
        make_instance(items["twilio"], name)
    page = admin_client.get(url("delete", items["twilio"].pk, model="pluginitem")).content.decode()
    assert "1+ instances in all" in page


def test_deletion_of_what_nobody_configured(admin_client: Client, items: Items) -> None:
    """An item without a configured instance can be deleted; its untouched default instance goes with it."""
    PluginInstance.objects.create(item=items["console"], name="default")
    page = admin_client.get(url("delete", items["console"].pk, model="pluginitem")).content.decode()
    assert "default (console)" in page
    assert "in all" not in page
    admin_client.post(url("delete", items["console"].pk, model="pluginitem"), {"post": "yes"})
    assert not PluginItem.objects.filter(pk=items["console"].pk).exists()
