"""Lists: what they show, what they cost, and what can be done in them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from django_plugin_system.admin import shared
from django_plugin_system.admin.columns import format_time, show_time
from django_plugin_system.admin.instances import PluginInstanceAdmin
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus, PluginType
from tests.admin.helpers import get_row, make_user_client, read_form, url
from tests.admin.sample import CONFIG, SECRET, make_instance
from tests.support.health import set_health

if TYPE_CHECKING:
    from django.test import Client

Items = dict[str, PluginItem]


def count_queries(client: Client, address: str) -> int:
    """Return how many queries a page takes."""
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize("model", ["plugintype", "pluginitem", "plugininstance"])
def test_lists_take_a_constant_number_of_queries(admin_client: Client, items: Items, model: str) -> None:
    """A list of 250 rows takes as many queries as one of 10."""
    address = url("changelist", model=model)
    counts = []
    for total in (10, 250):
        have = PluginType.objects.count()
        types = [PluginType(name=f"t{i}", manager="m", description="") for i in range(have, total)]
        PluginType.objects.bulk_create(types)
        rows = [PluginItem(plugin_type=row, name=row.name, module="m") for row in types]
        PluginItem.objects.bulk_create(rows)
        PluginInstance.objects.bulk_create(
            PluginInstance(item=items["console"], name=f"i{have + i}") for i in range(len(types))
        )
        counts.append(count_queries(admin_client, address))
    assert counts[0] == counts[1]
    assert counts[1] <= 10


QUERIES = (
    "",
    "?state=usable",
    "?state=attention",
    "?test=failed",
    "?q=i1",
    "?o=1.-2",
    *(["?_facets=True"] if django.VERSION >= (5, 0) else []),
)


def test_a_list_of_many_instances(items: Items, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several pages of configured instances the list and each filter take as many queries as with 10."""
    monkeypatch.setattr(PluginInstanceAdmin, "list_per_page", 15)
    make_instance(items["twilio"], "first", last_error="refused")
    address = url("changelist")
    client = make_user_client("view_plugininstance", "change_plugininstance", "test_plugininstance")
    counts, later = [], timezone.now() + timedelta(hours=1)
    for total in (10, 50):
        have = PluginInstance.objects.count()
        rows = [PluginInstance(item=items["twilio"], name=f"i{i}", config=CONFIG) for i in range(have, total)]
        PluginInstance.objects.bulk_create(rows)
        set_health(PluginInstance.objects.filter(name__endswith="3"), last_error="no", unavailable_until=later)
        set_health(
            PluginInstance.objects.filter(name__endswith="4"), last_tested_at=timezone.now(), last_test_error="no"
        )
        counts.append({query: count_queries(client, f"{address}{query}") for query in QUERIES})
    assert counts[0] == counts[1]
    assert max(counts[1].values()) <= 12


def test_adding_to_a_type_of_many_instances(admin_client: Client, items: Items) -> None:
    """The pages that add and change take as many queries with 250 instances as with one."""
    row = make_instance(items["twilio"])
    pages = [url("add"), f"{url('add')}?item={items['twilio'].pk}", url("change", row.pk)]
    for _warm_caches_first in range(2):
        before = [count_queries(admin_client, page) for page in pages]
    PluginInstance.objects.bulk_create(PluginInstance(item=items["console"], name=f"i{i}") for i in range(250))
    assert [count_queries(admin_client, page) for page in pages] == before


def test_type_list_counts_items_by_status(admin_client: Client, items: Items) -> None:
    """The list of types counts items for each status, and instances."""
    PluginItem.objects.filter(pk=items["console"].pk).update(status=PluginStatus.RESERVED)
    PluginItem.objects.filter(pk=items["gone"].pk).update(status=PluginStatus.DISABLED)
    make_instance(items["twilio"])
    make_instance(items["twilio"], "marketing")
    page = admin_client.get(url("changelist", model="plugintype")).content.decode()
    for column, count in (("active_items", 1), ("reserved_items", 1), ("disabled_items", 1), ("instance_count", 2)):
        assert f'<td class="field-{column}">{count}</td>' in page


def test_item_list(admin_client: Client, items: Items) -> None:
    """The list of items says whether the class loads, and edits status and priority."""
    address = url("changelist", model="pluginitem")
    response = admin_client.get(address)
    assert response.content.decode().count("icon-no.svg") == 1
    form = read_form(response)
    form |= {"form-0-status": "reserve", "form-0-priority": "2", "_save": "Save"}
    admin_client.post(address, form)
    row = get_row(items["console"])
    assert (row.status, row.priority) == ("reserve", 2)


def test_item_page_links_instances(admin_client: Client, items: Items) -> None:
    """The page of an item links its instances and the page that adds one."""
    row = make_instance(items["twilio"])
    page = admin_client.get(url("change", items["twilio"].pk, model="pluginitem")).content.decode()
    assert url("change", row.pk) in page
    assert f"{url('add')}?item={items['twilio'].pk}" in page


@pytest.mark.parametrize("model", ["plugintype", "pluginitem"])
def test_types_and_items_come_from_code(admin_client: Client, items: Items, model: str) -> None:
    """Nobody adds types or items by hand."""
    del items
    assert admin_client.get(url("add", model=model)).status_code == 403


def test_instance_list_shows_state_and_order(admin_client: Client, items: Items, settings: Any) -> None:
    """Each row says whether it is used, why not, and where it stands in the order of selection."""
    make_instance(items["twilio"], "b", priority=9)
    make_instance(items["twilio"], "a", status=PluginStatus.DISABLED)
    page = admin_client.get(url("changelist")).content.decode()
    assert "Usable" in page
    assert 'placeholder="5"' in page
    assert page.count('<td class="field-position">1 of 1 <span class="dps-quiet"></span>') == 2
    PluginItem.objects.filter(pk=items["twilio"].pk).update(status=PluginStatus.RESERVED)
    page = admin_client.get(url("changelist")).content.decode()
    assert page.count('1 of 1 <span class="dps-quiet">Reserved</span>') == 1  # what is off stays off
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
    page = admin_client.get(url("changelist")).content.decode()
    assert "Needs attention" in page
    assert "secret unreadable" in page
    assert SECRET not in page


def get_cells(client: Client, column: str) -> dict[str, str]:
    """Return a column of the list of instances, by name, as the reader sees it."""
    page = client.get(f"{url('changelist')}?q=").content.decode()
    pattern = rf'"field-instance"><a [^>]*><span [^>]*>([\w-]+)<.*?<td class="field-{column}">(.*?)</td>'
    return {name: " ".join(strip_tags(cell).split()) for name, cell in re.findall(pattern, page, re.DOTALL)}


def test_one_state(admin_client: Client, checked: PluginInstance, items: Items) -> None:
    """The state is one word that no other contradicts: a past cooldown and a failed test are not "usable"."""
    now = timezone.now()
    for name in ("passed", "failed", "failed-over", "cooling", "off"):
        make_instance(checked.item, name)
    make_instance(items["twilio"], "without-test")

    def note(names: str, **columns: Any) -> None:
        set_health(PluginInstance.objects.filter(name__in=names.split()), **columns)

    note("passed failed failed-over", last_tested_at=now - timedelta(days=3))
    note("failed", last_test_error="<b>no</b>")
    note("failed-over cooling off", last_error=f"<i>{'long ' * 99}", unavailable_until=now - timedelta(seconds=9))
    note("cooling", unavailable_until=now + timedelta(minutes=5, seconds=9))
    PluginInstance.objects.filter(name="off").update(status="disable")
    cells = get_cells(admin_client, "state")
    quote = f"&lt;i&gt;{'long ' * 23}l…"
    assert cells == {
        "transactional": "Not tested",
        "passed": "Usable Tested 3 days ago.",
        "failed": "Test failed 3 days ago: &lt;b&gt;no&lt;/b&gt;",
        "failed-over": f"Failed last time {quote}",
        "cooling": f"Cooling down Used again in 5 minutes. {quote}",
        "off": "Off disabled",
        "without-test": "Usable",
    }


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=5), "in a moment"),
        (timedelta(hours=-3), "3\xa0hours ago"),
        (timedelta(days=40), "in 1\xa0month"),
    ],
)
def test_relative_times(moment: timedelta, text: str) -> None:
    """A time is said as a distance from now; the time itself is its title."""
    shown = show_time(timezone.now() + moment)
    assert strip_tags(shown) == text
    assert f'title="{format_time(timezone.now() + moment)[:8]}' in shown


def test_links_of_the_list_lead_back_to_it(admin_client: Client, instance: PluginInstance) -> None:
    """Whoever saves a row of a filtered list sees that list again; type and item stand with the name."""
    page = admin_client.get(f"{url('changelist')}?state=usable").content.decode()
    address = f"{url('change', instance.pk)}?_changelist_filters=state%3Dusable"
    assert f'href="{address}"' in page
    assert "sms &rsaquo; twilio<" in page
    saved = admin_client.post(address, read_form(admin_client.get(address)))
    assert saved["Location"] == f"{url('changelist')}?state=usable"


def test_list_editing(admin_client: Client, instance: PluginInstance) -> None:
    """Status and priority can be edited in the list; the configuration stays as it is."""
    before = get_row(instance).config
    form = read_form(admin_client.get(url("changelist")))
    admin_client.post(url("changelist"), {**form, "form-0-status": "reserve", "form-0-priority": "8", "_save": "Save"})
    row = get_row(instance)
    assert (row.status, row.priority, row.config) == ("reserve", 8, before)


def run_action(client: Client, action: str, *rows: Any) -> str:
    """Run a bulk action on ``rows`` and return the page that follows."""
    model = type(rows[0]).__name__.lower()
    data = {"action": action, "_selected_action": [str(row.pk) for row in rows]}
    return client.post(url("changelist", model=model), data, follow=True).content.decode()


@pytest.mark.parametrize(
    ("action", "status"), [("mark_active", "active"), ("mark_reserved", "reserve"), ("mark_disabled", "disable")]
)
def test_status_actions(admin_client: Client, items: Items, action: str, status: str) -> None:
    """The actions set the status of items and instances, say what they did, and write history."""
    row = make_instance(items["twilio"], status="disable" if status == "active" else "active")
    PluginItem.objects.filter(pk=items["twilio"].pk).update(status=row.status)
    for target in (row, items["twilio"]):
        assert f"1 changed. {target}: {PluginStatus(status).label}" in run_action(admin_client, action, target)
        assert get_row(target).status == status
    assert "0 changed." in run_action(admin_client, action, row)
    assert LogEntry.objects.count() == 2


def test_disabling_says_what_is_left(admin_client: Client, items: Items) -> None:
    """After instances were disabled, each of their names that nobody serves now is named."""
    row, other = make_instance(items["twilio"]), make_instance(items["twilio"], "marketing")
    PluginInstance.objects.create(item=items["console"], name="marketing")
    page = run_action(admin_client, "mark_disabled", row, other)
    assert "Nobody serves “transactional” now." in page
    assert "“marketing”" not in page
    assert "Nobody serves" not in run_action(admin_client, "lower_priority", row)


@pytest.mark.parametrize("model", ["plugininstance", "pluginitem"])
def test_disabling_asks_first(admin_client: Client, items: Items, model: str) -> None:
    """On the page, disabling what serves asks first, and says who serves then; what changes nothing is done at once."""
    row, standby = make_instance(items["twilio"]), PluginInstance(item=items["console"], name="marketing")
    standby.save()
    make_instance(items["twilio"], "marketing", priority=1)
    target = row if model == "plugininstance" else items["twilio"]
    form = read_form(admin_client.get(url("changelist", model=model)))
    assert form["ask"] == "1"
    data = {"action": "mark_disabled", "_selected_action": str(target.pk), "ask": "1"}
    response = admin_client.post(url("changelist", model=model), data)
    page = response.content.decode()
    assert "Afterwards, nobody serves “transactional”." in page
    assert ("Afterwards, console serves “marketing”." in page) is (model == "pluginitem")
    assert get_row(target).status == PluginStatus.ACTIVE
    page = admin_client.post(url("changelist", model=model), read_form(response), follow=True).content.decode()
    assert get_row(target).status == PluginStatus.DISABLED
    assert "Nobody serves “transactional” now." in page
    form = {"action": "mark_disabled", "_selected_action": str(row.pk), "ask": "1"}
    assert "changed." in admin_client.post(url("changelist"), form, follow=True).content.decode()


def test_disabling_many_asks_about_the_first(
    admin_client: Client, items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where many names are concerned, the first are named and it is said how many more there are."""
    monkeypatch.setattr(shared, "MOST_NAMED", 2)
    rows = [make_instance(items["twilio"], name) for name in ("a", "b", "c")]
    data = {"action": "mark_disabled", "_selected_action": [str(row.pk) for row in rows], "ask": "1"}
    page = admin_client.post(url("changelist"), data).content.decode()
    assert page.count("Afterwards, nobody serves") == 2
    assert "and 1 more" in page
    assert "3 in all" in page


def test_priority_actions(admin_client: Client, items: Items) -> None:
    """The actions shift priorities; an inherited one becomes the row's own; the column's limits hold."""
    row = make_instance(items["twilio"])
    assert "transactional (twilio): 4" in run_action(admin_client, "raise_priority", row)
    assert get_row(row).priority == 4
    run_action(admin_client, "lower_priority", items["twilio"])
    assert get_row(items["twilio"]).priority == 6
    PluginInstance.objects.update(priority=32767)
    run_action(admin_client, "lower_priority", row)
    assert get_row(row).priority == 32767


def test_actions_need_the_change_permission(instance: PluginInstance) -> None:
    """Users who may only look get no actions, and a forged post does nothing."""
    client = make_user_client("view_plugininstance")
    assert "mark_disabled" not in client.get(url("changelist")).content.decode()
    run_action(client, "mark_disabled", instance)
    assert get_row(instance).status == "active"


def test_item_with_instances_is_not_deleted(admin_client: Client, items: Items, instance: PluginInstance) -> None:
    """Deleting an item is refused while it has instances, and they are listed; in bulk too."""
    address = url("delete", items["twilio"].pk, model="pluginitem")
    page = admin_client.get(address).content.decode()
    assert "would require deleting the following protected related objects" in page
    assert str(instance) in page
    admin_client.post(address, {"post": "yes"})
    data = {"action": "delete_selected", "_selected_action": [str(items["twilio"].pk)], "post": "yes"}
    admin_client.post(url("changelist", model="pluginitem"), data)
    assert PluginItem.objects.filter(pk=items["twilio"].pk).exists()


def test_delete_an_instance(admin_client: Client, instance: PluginInstance) -> None:
    """An instance can be deleted; the page shows no secret."""
    response = admin_client.get(url("delete", instance.pk))
    assert SECRET not in response.content.decode()
    admin_client.post(url("delete", instance.pk), {"post": "yes"})
    assert not PluginInstance.objects.exists()


FILTERS = [
    ("state=usable", {"good", "reserve"}),
    ("state=attention", {"cooling"}),
    ("state=off", {"off"}),
    ("state=nonsense", {"good", "cooling", "reserve", "off"}),
    ("test=passed", {"good"}),
    ("test=failed", {"off"}),
    ("test=none", {"cooling", "reserve"}),
    ("test=nonsense", {"good", "cooling", "reserve", "off"}),
]


@pytest.mark.parametrize(("query", "names"), FILTERS)
def test_filters(admin_client: Client, items: Items, query: str, names: set[str]) -> None:
    """The list can be narrowed by state and by last test."""
    make_instance(items["twilio"], "good")
    make_instance(items["twilio"], "cooling", unavailable_until=timezone.now() + timedelta(hours=1), last_error="no")
    make_instance(items["twilio"], "reserve", status=PluginStatus.RESERVED)
    make_instance(items["twilio"], "off", status=PluginStatus.DISABLED)
    set_health(PluginInstance.objects.filter(name__in=("good", "off")), last_tested_at=timezone.now())
    set_health(PluginInstance.objects.filter(name="off"), last_test_error="refused")
    response = admin_client.get(f"{url('changelist')}?{query}")
    assert {row.name for row in response.context["cl"].result_list} == names
