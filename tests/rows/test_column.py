"""The column of configurations: what is written comes back as it is, on each database, and can be looked into."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.fields.json import KT
from django.db.utils import DataError
from pydantic import BaseModel, SecretStr

from django_plugin_system import ConfigurablePlugin
from django_plugin_system.models import PluginInstance
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, declare_item
from tests.support.rows import add_instance, get_item, read_raw, reload, write_raw

if TYPE_CHECKING:
    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db

objects = PluginInstance.objects


class Rule(BaseModel):
    """The first one that matches counts."""

    to: str
    token: SecretStr | None = None


class Routes(BaseModel):
    """What jsonb orders and writes anew."""

    model_config = {"extra": "allow"}
    routes: dict[str, Rule] = {}
    ordered: OrderedDict[str, int] = OrderedDict()
    anything: Any = None
    limit: float = 0.0


class RoutesSms(ConfigurablePlugin[Routes], AbstractSms):
    """Sends where the rules say."""

    def send(self, text: str) -> str:  # pragma: no cover - nobody sends
        """Give the text back."""
        return text


def test_order_and_numbers_come_back(provider: PluginItem) -> None:
    """The keys of dicts in their order, floats as floats, and the sign of zero."""
    del provider
    declare_item(RoutesSms, "routes")
    sync_registered_plugins_to_db()
    given = {
        "routes": {"/orders/special": {"to": "s", "token": "t"}, "/orders": {"to": "o"}, "/": {"to": "r"}},
        "ordered": {"second": 1, "a": 2},
        "anything": {"zz": 1e22, "b": [1e300, -0.0, 10**30, 1.0, 1], "é": "\u2028"},
        "limit": -0.0,
        "zz_more": 1,
        "more": 2,
    }
    row = reload(add_instance(item=get_item("routes"), config=given))
    config: Any = row.load_config()
    assert list(config.routes) == list(given["routes"])  # type: ignore[call-overload] # a dict
    assert config.ordered == OrderedDict(given["ordered"])  # type: ignore[call-overload] # a dict
    assert repr(config.anything) == repr(given["anything"])
    assert math.copysign(1, config.limit) == -1
    assert list(config.model_extra) == ["zz_more", "more"]
    before = read_raw(row.pk)
    row.set_config(config)
    row.save()
    assert read_raw(row.pk) == before
    row.set_config({**row.config, "routes": dict(reversed(row.config["routes"].items()))})
    row.save()
    config = reload(row).load_config()
    assert list(config.routes) == ["/", "/orders", "/orders/special"]


def test_the_column_can_be_looked_into(provider: PluginItem) -> None:
    """Look-ups, orders, groups and what is selected work as of any JSON column."""
    one, two = add_instance("one", provider), add_instance("two", provider)
    assert objects.filter(config__account="AC1", config__retries__lt=9).count() == 2
    assert objects.filter(config__account__icontains="ac", config__has_key="account").count() == 2
    assert objects.filter(config=dict(one.config)).get() == one
    assert objects.filter(config__in=[dict(two.config)]).get() == two
    assert len(objects.filter(config__isnull=False).order_by("config__account", "config")) == 2
    assert list(objects.annotate(x=KT("config__account")).values_list("x", "config__retries")) == [("AC1", 3)] * 2
    assert [*objects.values("config__account").annotate(n=Count("pk")).values_list("n", flat=True)] == [2]
    assert len(objects.values("config").annotate(n=Count("pk"))) == 2
    assert len(objects.distinct()) == len(objects.filter(pk=one.pk).union(objects.filter(pk=two.pk))) == 2
    same = objects.filter(pk=OuterRef("pk"))
    found: Any = objects.annotate(
        f=F("config"), part=F("config__account"), sub=Subquery(same.values("config")),
        sub_part=Subquery(same.values("config__account")),
    ).get(pk=one.pk)  # fmt: skip
    assert (found.f, found.part, found.sub, found.sub_part) == (one.config, "AC1", one.config, "AC1")
    two.set_config({**two.config, "retries": 4})
    objects.bulk_update([one, two], ["config"])
    assert objects.get(config__retries=4) == two
    if connection.vendor == "postgresql":
        assert objects.get(config__contains={"retries": 4}) == two


def test_only_json_gets_into_the_column(provider: PluginItem) -> None:
    """Not even raw SQL writes what a look-up would stumble over."""
    row = add_instance(item=provider)
    with pytest.raises((IntegrityError, DataError)), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE django_plugin_system_plugininstance SET config = %s", ["{no json"])
    write_raw(row.pk, config=["no object"])
    assert not objects.filter(config__account="AC1").exists()
