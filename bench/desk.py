"""What the admin's pages cost with 20,000 instances of 200 types: queries, and milliseconds at work.

Bar: overview, list and page of an instance in at most 12 queries and 300 ms on SQLite, whatever is searched, filtered
or sorted.
"""

from __future__ import annotations

import gc
import time
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from pydantic import BaseModel, SecretStr

from bench.machine import describe_load, say
from django_plugin_system import ConfigurablePlugin
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginStatus
from django_plugin_system.registry import ItemSpec, TypeSpec, registry
from django_plugin_system.sync import sync_registered_plugins_to_db

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_QUERIES, MOST_SECONDS = 12, 0.3
BASE = "/admin/django_plugin_system"
ROUNDS, IN_EARNEST = 3, 1_000
"""How often a page is opened; with fewer instances than that many, one user opens each once."""


class BenchConfig(BaseModel):
    """A configuration like many."""

    account: str
    endpoint: str = "https://api.example.com"
    token: SecretStr
    retries: int = 3


class Page(NamedTuple):
    """One address, and what is posted there if it is no look."""

    title: str
    address: str
    posted: dict[str, Any] | None = None
    language: str = "en"


class Cost(NamedTuple):
    """What it takes to answer once."""

    queries: int
    seconds: float
    """At work on a core."""

    def __str__(self) -> str:
        is_well = self.queries <= MOST_QUERIES and self.seconds <= MOST_SECONDS
        return f"{self.queries:>3} queries {self.seconds * 1000:>6.0f} ms   {'yes' if is_well else 'NO'}"


def measure(count: int) -> None:
    """Store ``count`` instances, and say what each page costs."""
    rows = fill(max(count // 100, 2), count)
    say(f"{connection.vendor}, {count:,} instances, milliseconds at work; load before: {describe_load()}")
    rounds = ROUNDS if count >= IN_EARNEST else 1
    gc.collect()
    gc.freeze()  # between two pages, only what came since is looked through
    for user in make_users()[:rounds]:
        client = Client()
        client.force_login(user)
        say(f"\n{user.username}")
        for page in iter_pages(rows):
            say(f"{page.title:<44}{take_cost(client, page, rounds)}")
    say(f"load after: {describe_load()}")


def fill(types: int, count: int) -> list[PluginInstance]:
    """Store ``count`` instances, two of each name: a tenth is off, some cool down, a third was tested."""
    for number in range(types):
        plugin = make_class()
        spec = TypeSpec(f"type-{number:03}", "bench", plugin.__mro__[1], "What is shown.")
        registry.add_type(spec)
        for name in ("first", "second"):
            registry.add_item(ItemSpec(f"{name}-{number:03}", "bench", plugin, spec.key))
    sync_registered_plugins_to_db()
    items = list(PluginItem.objects.filter(module="bench").order_by("plugin_type__name", "name"))
    rows = []
    for number in range(count):
        row = PluginInstance(item=items[number % len(items)], name=f"name-{number // len(items):04}")
        row.status = PluginStatus.ACTIVE if number % 10 else PluginStatus.DISABLED
        row.set_config({"account": row.name, "token": f"{number:x<40}"})
        rows.append(row)
    PluginInstance.objects.bulk_create(rows, batch_size=1_000)
    health = PluginHealth.objects.filter(item__in=items)
    health.filter(pk__in=[row.pk for row in rows[::97]]).update(unavailable_until=timezone.now() + timedelta(hours=1))
    for row in rows[1:3000:3]:
        health.filter(pk=row.pk).update(last_tested_at=timezone.now(), tested_revision=row.config_revision)
    return rows


def make_class() -> type[Any]:
    """Return a class that can be tested; the next in its ``__mro__`` is an interface of its own."""

    class AbstractBench(ABC):
        @abstractmethod
        def check(self) -> None: ...

    class Bench(AbstractBench, ConfigurablePlugin[BenchConfig]):
        def check(self) -> None: ...

    return Bench


def make_users() -> list[User]:
    """Return a superuser, and one who has each right by itself."""
    operator = User.objects.create_user("operator, who has each right", is_staff=True)
    operator.user_permissions.set(Permission.objects.filter(content_type__app_label="django_plugin_system"))
    return [User.objects.create_superuser("superuser"), operator]


def iter_pages(rows: list[PluginInstance]) -> Iterator[Page]:
    """Yield what is opened."""
    row, item = rows[1], rows[1].item
    overview, listed = f"{BASE}/pluginoverview/", f"{BASE}/plugininstance/"
    yield Page("overview", overview)
    for query in ("p=7", "attention", "attention&p=2", "q=name-0007", "q=type-003"):
        yield Page(f"overview?{query}", f"{overview}?{query}")
    yield Page("overview, in German", overview, language="de")
    yield Page("list", listed)
    yield Page("list, in German", listed, language="de")
    filters = [f"state={state}" for state in ("usable", "attention", "off")]
    filters += [f"test={result}" for result in ("passed", "failed", "none")]
    filters += ["whose=everybody", "whose=own", "status__exact=active", f"item__id__exact={item.pk}"]
    filters += [f"item__plugin_type__id__exact={item.plugin_type_id}", "q=name-0007", "q=first-001 name"]
    filters += ["state=usable&status__exact=active&test=none&q=name", f"item__id__exact={item.pk}&state=usable"]
    filters += [f"item__id__exact={item.pk}&state=attention&q=name", "state=usable&q=name-0007"]
    for query in [*filters, "p=2", "p=100", "state=usable&p=3", "o=1", "o=-1", "o=4", "o=-5.1", "state=usable&o=-5"]:
        yield Page(f"list?{query[:34]}", f"{listed}?{query}")
    action = {"action": "delete_selected", "_selected_action": [str(other.pk) for other in rows[:100]]}
    yield Page("list, a deletion to confirm", listed, action)
    yield Page("page of an instance", f"{listed}{row.pk}/change/")
    yield Page("page of an instance, in German", f"{listed}{row.pk}/change/", language="de")
    yield Page("history of an instance", f"{listed}{row.pk}/history/")
    yield Page("deletion of an instance", f"{listed}{row.pk}/delete/")
    yield Page("add: gallery", f"{listed}add/")
    yield Page("add: form", f"{listed}add/?item={item.pk}")
    yield Page("items", f"{BASE}/pluginitem/")
    yield Page("page of an item", f"{BASE}/pluginitem/{item.pk}/change/")
    yield Page("types", f"{BASE}/plugintype/")
    yield Page("page of a type", f"{BASE}/plugintype/{item.plugin_type_id}/change/")


def take_cost(client: Client, page: Page, rounds: int) -> Cost:
    """Open a page a few times; return the least that it took."""
    best = Cost(0, float("inf"))
    for _round in range(rounds):
        gc.collect()
        with CaptureQueriesContext(connection) as queries:
            began = time.process_time()
            answer(client, page)
            best = Cost(len(queries), min(best.seconds, time.process_time() - began))
    return best


def answer(client: Client, page: Page) -> None:
    """Open a page.

    :raises RuntimeError: if it does not come.
    """
    send = client.get if page.posted is None else client.post
    with translation.override(page.language):
        response: Any = send(page.address, page.posted or {})
    if response.status_code != 200:  # noqa: PLR2004 - HTTP's own
        message = f"{page.title}: {response.status_code}"
        raise RuntimeError(message)
