"""Queries name the health of instances as if it stood in their own table; what is written goes to where it stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F, Q
from django.utils import timezone

from django_plugin_system import get_plugin
from django_plugin_system.exceptions import ConfigWriteRefused, NoPluginAvailable
from django_plugin_system.models import PluginInstance, PluginItem
from tests.support.plugins import AbstractSms
from tests.support.rows import add_instance, reload

pytestmark = pytest.mark.django_db

objects: Any = PluginInstance.objects


@pytest.fixture
def rows(provider: PluginItem) -> list[PluginInstance]:
    """Return two instances that fare well."""
    return [add_instance(name, provider) for name in ("first", "second")]


def test_an_update_reaches_the_health(rows: list[PluginInstance]) -> None:
    """The next selection goes by it, the instance itself is not written, and its own columns may be written beside."""
    until = timezone.now() + timedelta(hours=1)
    names = objects.filter(name="first")
    assert names.update(unavailable_until=until, last_error="down") == 1
    row, other = reload(rows[0]), reload(rows[1])
    assert (row.unavailable_until, row.last_error, row.updated_at) == (until, "down", rows[0].updated_at)
    assert (other.unavailable_until, other.last_error) == (None, "")
    assert get_plugin(AbstractSms).plugin_instance.name == "second"  # type: ignore[attr-defined]
    assert names.filter(status="active").update(status="disable", last_error="off") == 1
    assert (reload(row).status, reload(row).last_error) == ("disable", "off")
    assert objects.update(unavailable_until=until) == 2
    with pytest.raises(NoPluginAvailable, match="cooling down"):
        get_plugin(AbstractSms, name="second")
    with pytest.raises(ConfigWriteRefused):
        objects.update(last_error="", config={})


def test_the_result_of_a_test_is_that_of_the_stored_configuration(rows: list[PluginInstance]) -> None:
    """What is written as the result of a test counts until the configuration changes."""
    tested = timezone.now()
    objects.filter(pk=rows[0].pk).update(last_tested_at=tested, last_test_error="refused")
    row = reload(rows[0])
    assert (row.last_tested_at, row.last_test_error) == (tested, "refused")
    row.set_config({"account": "AC2", "token": "other"})
    row.save()
    assert (reload(row).last_tested_at, reload(row).last_test_error) == (None, "")


def test_a_query_finds_instances_by_their_health(rows: list[PluginInstance]) -> None:
    """Filters, orders, values and expressions name the columns; those of another model are left alone."""
    objects.filter(name="second").update(last_error="down")
    assert objects.get(last_error="down") == rows[1]
    assert objects.exclude(Q(last_error__startswith="do")).get() == rows[0]
    assert list(objects.order_by("-last_error").values_list("name", "last_error")) == [
        ("second", "down"),
        ("first", ""),
    ]
    assert objects.annotate(error=F("last_error")).get(error="").name == "first"
    instances: Any = rows[0].item.instances
    assert instances.filter(last_error="down").count() == 1
    assert PluginItem.objects.filter(instances__health__last_error="down").get() == rows[0].item
