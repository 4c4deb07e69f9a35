"""The first rows of a type are found by index, without sorting them all: in the very order of ``in_order()``."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest import mock

import pytest
from django.db import connection, models
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_plugin_system import PluginUnavailable, failover, get_plugin, refresh_plugins
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginType
from django_plugin_system.selection import search
from django_plugin_system.selection.candidates import Request, make_request
from django_plugin_system.selection.search import FEW, PASSED_OVER, Search, iter_cooling
from tests.support.plugins import AbstractSms, LenientSms, declare_item, declare_type
from tests.support.rows import add_instance, read_raw, write_raw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_django import DjangoAssertNumQueries

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db

NAMES = ("a", "A", "b", "ab", "a-b", "a_b", "a0", "B", "-", "_", "z9")
"""Databases sort such names in different ways."""
STATUSES = st.sampled_from(("active", "active", "reserve", "disable"))


class ItemOf(NamedTuple):
    """One item: what decides where its instances stand, and the instances by name: status, priority."""

    status: str
    priority: int
    instances: dict[str, tuple[str, int | None]]


INSTANCES = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(STATUSES, st.none() | st.integers(-1, 1)), max_size=len(NAMES)
)
ITEMS = st.dictionaries(
    st.tuples(st.sampled_from(NAMES[:5]), st.sampled_from(("m", "n"))),
    st.builds(ItemOf, STATUSES, st.integers(-1, 1), INSTANCES),
    max_size=4,
)


def insert(rows: Iterable[PluginInstance]) -> None:
    """Store rows as they are, without a look at their configs."""
    plain: Any = models.QuerySet(PluginInstance)
    plain.bulk_create(rows)


def store(items: dict[tuple[str, str], ItemOf]) -> None:
    """Store items and instances in place of those that are there."""
    PluginInstance.objects.all().delete()  # so that nothing protects them
    PluginItem.objects.all().delete()
    plugin_type, _created = PluginType.objects.get_or_create(name="sms", manager="apps.sms", description="")
    for (name, module), item in items.items():
        row = PluginItem(plugin_type=plugin_type, name=name, module=module, status=item.status, priority=item.priority)
        row.save(force_insert=True)
        insert(
            PluginInstance(item=row, name=name, status=status, priority=priority)
            for name, (status, priority) in item.instances.items()
        )
    refresh_plugins()


@pytest.mark.usefixtures("db")
@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS, names=st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))
def test_the_first_rows_come_in_order(items: dict[tuple[str, str], ItemOf], names: set[str]) -> None:
    """One by one, in pages or by their ids, the rows that are not cooling down come as the database sorts them all."""
    declare_type()
    store(items)
    request = make_request(AbstractSms, None, None, None)
    check_order(request)
    PluginHealth.objects.filter(instance__priority=0).update(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    PluginHealth.objects.filter(instance__priority=1).update(unavailable_until=timezone.now() - dt.timedelta(hours=1))
    check_order(request)
    for name in names:
        check_order(make_request(AbstractSms, None, name, None))


def check_order(request: Request) -> None:
    """Check that a search finds, in each of its ways, what the database finds when it sorts all rows."""
    expected = list(request.find_rows().enabled().exclude(PASSED_OVER))
    for few in (0, FEW):
        with mock.patch.object(search, "FEW", few):
            assert list(Search(request)) == expected
            assert list(Search(request, [row.pk for row in expected[:2]])) == expected[2:]
    assert list(Search(request, needs_all=True)) == expected
    cooling = request.find_rows().enabled().filter(health__unavailable_until__gt=Now())
    assert {*iter_cooling(request)} == {*cooling}
    ends: list[Any] = [row.unavailable_until for row in iter_cooling(request)]
    assert ends == sorted(ends)


def test_many_rows_come_in_order(declared: Registry) -> None:
    """So they do where there are several pages."""
    del declared
    declare_type()
    store({("a", "m"): ItemOf("active", 0, {f"n{n}": ("active", n % 3 or None) for n in range(500)})})
    request = make_request(AbstractSms, None, None, None)
    rows = list(Search(request))
    assert rows == list(request.find_rows().enabled())
    assert len(rows) == 500


def test_types_do_not_mix(all_kinds: dict[str, PluginItem]) -> None:
    """The first row of a type is none of another type."""
    other = PluginType.objects.create(name="other", manager="apps.sms", description="")
    item = PluginItem.objects.create(plugin_type=other, name="aaa", module="m", priority=-99)
    insert([PluginInstance(item=item, name="aaa")])
    head = next(iter(Search(make_request(AbstractSms, None, None, None))))
    assert head.item == all_kinds["console"]


def analyze() -> None:
    """Let the database count its rows, as PostgreSQL does on its own account."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def read_plan(sql: str) -> str:
    """Return how the database finds what a query asks for."""
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(line) for line in cursor.fetchall())


def test_the_first_rows_are_found_by_index(declared: Registry) -> None:
    """Of 5,000 rows, neither the first nor the next is found by reading or sorting the others; nor who cools down."""
    del declared
    declare_type()
    declare_item(LenientSms, "a", module="m")
    store({("a", "m"): ItemOf("active", 0, {f"n{n}": ("active", n % 3 or None) for n in range(5_000)})})
    analyze()
    request = make_request(AbstractSms, None, None, None)
    with CaptureQueriesContext(connection) as queries:
        rows = iter(Search(request))
        next(rows)
        next(rows)
    plans = [read_plan(query["sql"]) for query in queries if "LIMIT 101" not in query["sql"]]  # these read no more
    PluginHealth.objects.update(unavailable_until=timezone.now() + dt.timedelta(hours=1))
    analyze()
    with CaptureQueriesContext(connection) as queries:
        assert not list(Search(request))
        next(iter_cooling(request))
    plans += [read_plan(query["sql"]) for query in queries]
    assert sum("idx_plugin_instance_order" in plan for plan in plans) >= 3
    for plan in plans:
        assert not re.search(r"(Seq Scan on|SCAN) django_plugin_system_plugin(instance|health)(?! USING)", plan), plan


def test_reading_stops_at_the_first_usable_row(provider: PluginItem) -> None:
    """A selection and the first attempt of a failover read one row, however many there are; each further one, one."""
    for number in range(5):
        add_instance(f"n{number}", provider)
    write_raw(PluginInstance.objects.get(name="n0").pk, config={})
    for expected in ("n1", "n2"):
        with CaptureQueriesContext(connection) as queries:
            attempt = next(iter(failover(AbstractSms)))
        reads = [query["sql"] for query in queries if '"config_version"' in query["sql"]]
        assert all("LIMIT 1" in sql for sql in reads)
        assert attempt.instance.name == expected
        with attempt:
            raise PluginUnavailable(uuid.uuid4())
    assert get_plugin(AbstractSms).plugin_instance.name == "n3"  # type: ignore[attr-defined]


def test_a_config_alone_takes_one_query(
    provider: PluginItem, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Rows that are read for their config only can be read, and saved, without a look back at each of them."""
    for number in range(3):
        add_instance(f"n{number}", provider)
    everything = PluginInstance.objects.all()
    for narrowed in (everything.select_related("item").only("config", "item__name"), everything.only("config")):
        with django_assert_num_queries(1):
            rows = list(narrowed)
    before = read_raw(rows[0].pk)
    rows[0].save()
    assert read_raw(rows[0].pk) == before
    assert rows[0].load_config() == PluginInstance.objects.get(pk=rows[0].pk).load_config()
