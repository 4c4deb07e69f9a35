"""The first rows of a type are found by index, without sorting them all: in the very order of ``in_order()``."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_plugin_system import failover, get_plugin
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.selection.candidates import find_head, iter_rows, make_request
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
    PluginInstance.objects.all()._raw_delete("default")  # noqa: SLF001 - so that nothing protects them
    PluginItem.objects.all().delete()
    plugin_type, _created = PluginType.objects.get_or_create(name="sms", manager="apps.sms", description="")
    for (name, module), item in items.items():
        row = PluginItem(plugin_type=plugin_type, name=name, module=module, status=item.status, priority=item.priority)
        row.save(force_insert=True)
        insert(
            PluginInstance(item=row, name=name, status=status, priority=priority)
            for name, (status, priority) in item.instances.items()
        )


@pytest.mark.usefixtures("db")
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS)
def test_the_first_rows_come_in_order(items: dict[tuple[str, str], ItemOf]) -> None:
    """Head by head, and with the pages after the heads, the rows come as the database sorts them all."""
    declare_type()
    store(items)
    request = make_request(AbstractSms, None, None, None)
    expected = list(request.find_rows().enabled())
    heads: list[PluginInstance] = []
    while (head := find_head(request, heads)) is not None:
        heads.append(head)
    assert heads == expected
    assert list(iter_rows(request)) == expected
    for name in {row.name for row in expected} | {"none"}:
        named = make_request(AbstractSms, None, name, None)
        assert list(iter_rows(named)) == [row for row in expected if row.name == name]


def test_many_rows_come_in_order(declared: Registry) -> None:
    """So they do where there are several pages."""
    del declared
    declare_type()
    store({("a", "m"): ItemOf("active", 0, {f"n{n}": ("active", n % 3 or None) for n in range(500)})})
    request = make_request(AbstractSms, None, None, None)
    rows = list(iter_rows(request))
    assert rows == list(request.find_rows().enabled())
    assert len(rows) == 500


def test_types_do_not_mix(all_kinds: dict[str, PluginItem]) -> None:
    """The first row of a type is none of another type."""
    other = PluginType.objects.create(name="other", manager="apps.sms", description="")
    item = PluginItem.objects.create(plugin_type=other, name="aaa", module="m", priority=-99)
    insert([PluginInstance(item=item, name="aaa")])
    head = find_head(make_request(AbstractSms, None, None, None))
    assert head is not None
    assert head.item == all_kinds["console"]


def read_plan(sql: str) -> str:
    """Return how the database finds what a query asks for."""
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(line) for line in cursor.fetchall())


def test_the_first_rows_are_found_by_index(declared: Registry) -> None:
    """Of 5,000 rows, neither the first nor the next is found by reading or sorting the others."""
    del declared
    declare_type()
    declare_item(LenientSms, "a", module="m")
    store({("a", "m"): ItemOf("active", 0, {f"n{n}": ("active", n % 3 or None) for n in range(5_000)})})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    request = make_request(AbstractSms, None, None, None)
    with CaptureQueriesContext(connection) as queries:
        first = find_head(request)
        assert first is not None
        assert find_head(request, [first]) is not None
    plans = [read_plan(query["sql"]) for query in queries]
    assert len(plans) == 2
    for plan in plans:
        assert "idx_plugin_instance_order" in plan
        assert "Seq Scan on django_plugin_system_plugininstance" not in plan
        assert "SCAN django_plugin_system_plugininstance" not in plan


def test_reading_stops_at_the_first_usable_row(provider: PluginItem) -> None:
    """A selection and the first attempt of a failover read one row, however many there are; each further one, one."""
    for number in range(5):
        add_instance(f"n{number}", provider)
    write_raw(PluginInstance.objects.get(name="n0").pk, config={})
    for expected in ("n1", "n2"):
        with CaptureQueriesContext(connection) as queries:
            attempt = next(iter(failover(AbstractSms)))
        reads = [query["sql"] for query in queries if "config_version" in query["sql"]]
        assert all("LIMIT 1" in sql for sql in reads)
        assert attempt.instance.name == expected
        with attempt:
            raise OSError(uuid.uuid4())
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
