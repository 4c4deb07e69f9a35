"""The overview: the same facts as an explanation, in a constant number of queries; what is done there, by whom."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from django_plugin_system.admin import PluginInstanceAdmin, instance_list, overview
from django_plugin_system.admin.overview import plan_move
from django_plugin_system.config.keyring import make_key
from django_plugin_system.exceptions import PluginCredentialsRefused
from django_plugin_system.helpers import explain_selection, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus, PluginType
from django_plugin_system.registry import ItemSpec, TypeSpec, registry
from django_plugin_system.selection.health import record_failure
from tests.admin.checked import CheckedSms, raising
from tests.admin.helpers import get_row, make_user_client, url
from tests.admin.sample import CONFIG, SECRET, AbstractSms, TwilioSms, make_instance
from tests.support.health import set_health

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.test import Client

Items = dict[str, PluginItem]


@pytest.fixture
def address() -> str:
    """Return the address of the overview."""
    return reverse("admin:django_plugin_system_overview")


def add_item(items: Items, name: str, priority: int = 5) -> PluginItem:
    """Register a further item of the sample type."""
    registry.add_item(ItemSpec(name, f"apps.{name}", TwilioSms, ("sms", "apps.sms")))
    return PluginItem.objects.create(
        plugin_type=items["twilio"].plugin_type, name=name, module=f"apps.{name}", priority=priority
    )


@pytest.fixture
def three(items: Items) -> list[PluginInstance]:
    """Return three instances of one name, best first."""
    others = [add_item(items, "second"), add_item(items, "third")]
    return [make_instance(item, priority=place + 1) for place, item in enumerate([items["twilio"], *others])]


def get_chains(client: Client, address: str) -> dict[str, Any]:
    """Return what the page shows for each name."""
    return {chain.first.name: chain for chain in client.get(address).context["chains"]}


def do(client: Client, address: str, row: PluginInstance, **data: Any) -> str:
    """Post what a button of ``row`` posts, as the page shows it; return the text of the page that follows."""
    chains = client.get(address).context["chains"]
    seen = {line["instance"].pk: chain.mark for chain in chains for line in chain.lines if line["is_own"]}
    data = {"instance": str(row.pk), "seen": seen.get(row.pk, ""), **data}
    return client.post(address, data, follow=True).content.decode()


def get_order(row: PluginInstance) -> list[str]:
    """Return the items that serve the name of ``row``, best first."""
    return [one.instance.item.name for one in explain_selection("sms", "apps.sms", name=row.name).candidates]


# What it shows


def test_the_same_as_an_explanation(admin_client: Client, items: Items, address: str, settings: Any) -> None:
    """For each name the candidates in order, with their reasons, and the one that is used."""
    now = timezone.now()
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    make_instance(items["twilio"], "lost-key")
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    second, third = add_item(items, "second", 6), add_item(items, "third", 7)
    make_instance(second, "lost-key")
    make_instance(items["twilio"], "cooling", unavailable_until=now + timedelta(hours=1), last_error="Timeout")
    make_instance(second, "cooling", status=PluginStatus.DISABLED)
    make_instance(third, "cooling", status=PluginStatus.RESERVED)
    PluginInstance.objects.bulk_create([PluginInstance(item=items["console"], name="cooling", priority=1)])
    response = admin_client.get(address)
    for chain in response.context["chains"]:
        found = explain_selection("sms", "apps.sms", name=chain.first.name)
        assert [line["instance"] for line in chain.lines] == [one.instance for one in found.candidates]
        assert [line["serves"] for line in chain.lines] == [one.instance == found.chosen for one in found.candidates]
    states = {str(line["instance"]): line["state"].kind for chain in response.context["chains"] for line in chain.lines}
    assert states == {
        "lost-key (twilio)": "attention",
        "lost-key (second)": "usable",
        "cooling (console)": "usable",
        "cooling (twilio)": "cooling",
        "cooling (third)": "usable",
        "cooling (second)": "off",
    }
    page = response.content.decode()
    assert "2 need attention" in page
    assert "Without it, third serves “cooling”." in page
    assert "Without it, nobody serves “lost-key”." in page
    assert SECRET not in page
    assert get_chains(admin_client, f"{address}?attention").keys() == {"lost-key", "cooling"}


def test_a_name_that_nobody_serves(admin_client: Client, instance: PluginInstance, address: str) -> None:
    """It says so; also where the code of the type is gone."""
    PluginInstance.objects.update(status=PluginStatus.DISABLED)
    assert "Nobody serves “transactional” now." in admin_client.get(address).content.decode()
    PluginInstance.objects.update(status=PluginStatus.ACTIVE)
    PluginType.objects.update(name="unknown")
    page = admin_client.get(address).content.decode()
    assert "Nobody serves “transactional” now." in page
    assert "class not registered" in page
    assert instance.name in page


def test_a_type_that_chooses_by_itself(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """Its choice is shown as the one that serves."""
    registry.types[("sms", "apps.sms")] = TypeSpec("sms", "apps.sms", AbstractSms, "", get_plugin=lambda _row: three[1])
    assert [line["serves"] for line in get_chains(admin_client, address)["transactional"].lines] == [False, True, False]


def test_what_to_do_next(admin_client: Client, items: Items, address: str) -> None:
    """An empty page leads on: to the first instance, to all of them, to a type."""
    page = admin_client.get(address).content.decode()
    assert "No instance yet: nobody serves any type." in page
    assert f'href="{url("add")}?q=sms"' in page
    make_instance(items["twilio"])
    assert "Types without an instance" not in admin_client.get(address).content.decode()
    assert "Every instance that is on can be used." in admin_client.get(f"{address}?attention").content.decode()
    assert "Nothing matches." in admin_client.get(f"{address}?q=zebra%00").content.decode()
    PluginItem.objects.filter(instances=None).delete()
    PluginInstance.objects.all().delete()
    PluginType.objects.all().delete()
    assert "No type is registered." in admin_client.get(address).content.decode()


def test_scopes(admin_client: Client, items: Items, address: str) -> None:
    """Each scope has a chain of its own for a name, its own instances first, then everybody's, which are used there."""
    second = add_item(items, "second")
    for item, scope, status in (
        (items["twilio"], "acme", "disable"),
        (second, "", "active"),
        (second, "beta", "active"),
    ):
        make_instance(item, scope=scope, status=status)
    chains = {chain.first.scope: chain for chain in admin_client.get(address).context["chains"]}
    shown = {
        scope: [(str(line["instance"]), line["serves"], line["is_own"]) for line in chain.lines]
        for scope, chain in chains.items()
    }
    shared = "transactional (second)"
    assert shown == {
        "": [(shared, True, True)],
        "acme": [("transactional (twilio) of acme", False, True), (shared, True, False)],
        "beta": [("transactional (second) of beta", True, True), (shared, False, False)],
    }
    for scope, chain in chains.items():
        found = explain_selection("sms", "apps.sms", name="transactional", scope=scope or None)
        assert [line["instance"] for line in chain.lines] == [one.instance for one in found.candidates]
    acme = PluginInstance.objects.get(scope="acme")
    assert "Done. twilio serves “transactional” now." in do(admin_client, address, acme, do="enable")


def test_search(admin_client: Client, items: Items, address: str) -> None:
    """Names, items and types are searched; who else serves a name that was found is shown, too."""
    make_instance(items["twilio"], "a")
    PluginInstance.objects.create(item=items["console"], name="a")
    PluginInstance.objects.create(item=items["console"], name="b")
    chains = get_chains(admin_client, f"{address}?q=twilio")
    assert {name: len(chain.lines) for name, chain in chains.items()} == {"a": 2}


def test_pages(admin_client: Client, items: Items, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are paged, in order, and each page leads to the next with what was searched for."""
    monkeypatch.setattr(overview, "NAMES_PER_PAGE", 2)
    for name in "abcde":
        make_instance(items["twilio"], f"n-{name}")
    pages = [list(get_chains(admin_client, f"{address}?q=n-&p={number}")) for number in (1, 2, 3, 99, "x")]
    assert pages == [["n-a", "n-b"], ["n-c", "n-d"], ["n-e"], ["n-e"], ["n-a", "n-b"]]
    page = admin_client.get(f"{address}?q=n-&p=2").content.decode()
    assert "?p=1&amp;q=n-" in page
    assert "?p=3&amp;q=n-" in page
    assert "Page 2 of 3" in page


def test_constant_queries(admin_client: Client, items: Items, address: str) -> None:
    """Hundreds of names cost as many queries as one, and never more than twelve."""
    counts = []
    for total in (1, 1200):
        have = PluginInstance.objects.count()
        PluginInstance.objects.bulk_create(
            PluginInstance(item=items["console"], name=f"i{number:04}") for number in range(have, total)
        )
        admin_client.get(address)
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(address)
        counts.append(len(queries))
    assert counts[1] <= counts[0] + 1
    assert counts[1] <= 10  # of a superuser; others have two for their rights
    assert "There are many instances" in response.content.decode()


@pytest.mark.usefixtures("instance")
def test_the_index_lists_it(admin_client: Client, address: str) -> None:
    """The admin's index has a line for it, for who may see instances."""
    assert address.endswith("overview/")
    assert f'href="{address}"' in admin_client.get(reverse("admin:index")).content.decode()
    stranger = make_user_client("view_plugintype")
    assert address not in stranger.get(reverse("admin:index")).content.decode()
    assert stranger.get(address).status_code == 403


# What is done there


def test_disable_and_enable(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """The next selection follows, the history tells of it, and the page says who serves now."""
    assert "Done. second serves “transactional” now." in do(admin_client, address, three[0], do="disable")
    assert get_plugin("sms", "apps.sms", name="transactional").plugin_instance == three[1]
    assert "Done. twilio serves “transactional” now." in do(admin_client, address, three[0], do="enable")
    assert get_row(three[0]).status == PluginStatus.ACTIVE
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Changed Status."] * 2
    assert get_row(three[0]).load_config().auth_token.get_secret_value() == SECRET


def test_use_again_now(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """An instance that is cooling down serves again at once; its last error stays to be read."""
    set_health(three[:1], unavailable_until=timezone.now() + timedelta(hours=1), last_error="Timeout")
    assert "Use again now: transactional (twilio)" in admin_client.get(address).content.decode()
    assert "Done. twilio serves “transactional” now." in do(admin_client, address, three[0], do="wake")
    assert (get_row(three[0]).unavailable_until, get_row(three[0]).last_error) == (None, "Timeout")
    assert LogEntry.objects.get().get_change_message() == "Changed Use again now."
    assert "Use again now: " not in admin_client.get(address).content.decode()


def test_refused_credentials(admin_client: Client, three: list[PluginInstance], address: str, monkeypatch: Any) -> None:
    """They need attention, among many instances, too, until they are changed or an operator says so."""
    record_failure(three[0], PluginCredentialsRefused("401 for ACME"), 60)
    page = admin_client.get(address).content.decode()
    assert "1 needs attention" in page
    assert "The provider refused its credentials: <q" in page
    assert "401 for ACME" in page
    monkeypatch.setattr(instance_list, "MOST_LOOKED_AT", 1)
    assert "1 needs attention" in admin_client.get(address).content.decode()
    assert "Done. twilio serves “transactional” now." in do(admin_client, address, three[0], do="wake")
    assert "Nothing needs attention" in admin_client.get(address).content.decode()
    record_failure(get_row(three[0]), PluginCredentialsRefused("401 for ACME"), 60)
    row = get_row(three[0])
    row.set_config({**CONFIG, "timeout": 3})
    row.save()
    assert "Nothing needs attention" in admin_client.get(address).content.decode()


def test_tests(admin_client: Client, checked: PluginInstance, address: str) -> None:
    """What came of a test is said, and kept; only what has a test offers one."""
    assert "ransactional (checked): The test passed." in do(admin_client, address, checked, do="test")
    CheckedSms.behave = raising(OSError("no route"))
    assert "The test failed: OSError: no route" in do(admin_client, address, checked, do="test")
    assert get_chains(admin_client, address)["transactional"].lines[0]["state"].title == "Test failed"


@pytest.mark.parametrize(
    ("move", "order", "changed"),
    [
        ((2, 0), ["third", "twilio", "second"], 1),
        ((2, 1), ["twilio", "third", "second"], 2),
        ((0, 2), ["second", "twilio", "third"], 2),
        ((0, None), ["second", "third", "twilio"], 1),
        ((1, None), ["twilio", "third", "second"], 1),
    ],
)
def test_move(
    admin_client: Client,
    three: list[PluginInstance],
    address: str,
    move: tuple[int, int | None],
    order: list[str],
    changed: int,
) -> None:
    """A candidate goes where it was put, and no more priorities change than have to."""
    row, before = move
    do(admin_client, address, three[row], before="" if before is None else str(three[before].pk))
    assert get_order(three[0]) == order
    assert LogEntry.objects.count() == changed


def test_move_among_equal_priorities(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """Those that had the same priority, and were sorted by name, are put in order by different ones."""
    PluginInstance.objects.update(priority=5)
    assert get_order(three[0]) == ["second", "third", "twilio"]
    do(admin_client, address, three[0], before=str(three[2].pk))
    assert get_order(three[0]) == ["second", "twilio", "third"]
    do(admin_client, address, three[2], before=str(three[1].pk))
    assert get_order(three[0]) == ["third", "second", "twilio"]


def test_moves_stay_in_their_tier(three: list[PluginInstance]) -> None:
    """What is active is moved among what is active only."""
    three[2].status = PluginStatus.RESERVED
    assert plan_move(three, three[0], str(three[2].pk)) == {three[0]: 3}
    assert plan_move(three, three[2], str(three[0].pk)) == {three[2]: -32768}


def test_no_priority_left(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """Where the column ends nothing is moved, and it is said."""
    PluginInstance.objects.filter(pk=three[0].pk).update(priority=-32768)
    page = do(admin_client, address, three[2], before=str(three[0].pk))
    assert "There is no priority left for that." not in page
    PluginInstance.objects.filter(pk=three[1].pk).update(priority=32767)
    PluginInstance.objects.filter(pk=three[2].pk).update(priority=32766)
    assert "There is no priority left for that." in do(admin_client, address, three[2], before="")
    assert get_row(three[2]).priority == 32766


def test_what_somebody_else_did_meanwhile(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """A change of any candidate of the name, seen by nobody, stops what is done, whatever it is."""
    mark = get_chains(admin_client, address)["transactional"].mark
    PluginInstance.objects.filter(pk=three[1].pk).update(status=PluginStatus.DISABLED)
    for data in ({"do": "disable"}, {"do": "enable"}, {"do": "wake"}, {"before": str(three[2].pk)}):
        page = do(admin_client, address, three[0], **data, seen=mark)
        assert "Someone else changed “transactional” meanwhile, so nothing was done." in page
    assert [get_row(row).status for row in three] == ["active", "disable", "active"]
    assert not LogEntry.objects.exists()
    set_health(three, last_error="Timeout")
    assert "Done." in do(admin_client, address, three[0], do="disable")


def test_an_instance_that_is_gone(admin_client: Client, three: list[PluginInstance], address: str) -> None:
    """What is not there any more, or never was, is said."""
    gone = three[0].pk
    three[0].delete()
    for pk in (gone, "junk", ""):
        page = admin_client.post(address, {"instance": pk, "do": "disable"}, follow=True).content.decode()
        assert "This instance is not there any more." in page


# Who may


@pytest.mark.parametrize("right", ["view", "change", "test"])
def test_each_button_takes_its_own_right(checked: PluginInstance, address: str, right: str) -> None:
    """Test takes the permission to test, the others that to change; forged posts are refused."""
    client = make_user_client("view_plugininstance", f"{right}_plugininstance")
    page = client.get(address).content.decode()
    assert ("Test: transactional" in page) is (right == "test")
    assert ("Disable: transactional" in page) is (right == "change")
    assert "Add instance" not in page
    mark = get_chains(client, address)["transactional"].mark
    for todo, needed in (("test", "test"), ("disable", "change"), ("wake", "change"), ("", "change")):
        answer = client.post(address, {"instance": checked.pk, "do": todo, "seen": mark})
        assert (answer.status_code == 302) is (right == needed)


def test_rules_of_a_project(
    admin_client: Client, three: list[PluginInstance], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a rule hides is not shown; what it freezes gets no buttons, and is not moved along with another."""
    make_instance(three[0].item, "unseen")
    may_view, may_change = PluginInstanceAdmin.has_view_permission, PluginInstanceAdmin.has_change_permission

    def view(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        return may_view(self, request, obj) and (obj is None or obj.name != "unseen")

    def change(self: Any, request: HttpRequest, obj: Any = None) -> bool:
        return may_change(self, request, obj) and (obj is None or obj.pk != three[1].pk)

    monkeypatch.setattr(PluginInstanceAdmin, "has_view_permission", view)
    monkeypatch.setattr(PluginInstanceAdmin, "has_change_permission", change)
    assert "unseen" not in admin_client.get(address).content.decode()
    lines = get_chains(admin_client, address)["transactional"].lines
    assert [line["may_change"] for line in lines] == [True, False, True]
    page = do(admin_client, address, three[2], before=str(three[1].pk))
    assert "ransactional (second) would have to change, too, and you may not change it." in page
    assert get_order(three[0]) == ["twilio", "second", "third"]


@pytest.mark.usefixtures("instance")
def test_a_project_without_the_admin_of_instances(admin_client: Client, address: str) -> None:
    """Where no admin shows instances, the overview shows none, either."""
    registered = admin.site._registry.pop(PluginInstance)  # noqa: SLF001 - no public way before Django 5.0
    try:
        assert admin_client.get(address).status_code == 403
        assert address not in admin_client.get(reverse("admin:index")).content.decode()
    finally:
        admin.site._registry[PluginInstance] = registered  # noqa: SLF001 - as above
