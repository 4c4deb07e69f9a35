"""Several databases: each has its own rows and its own changes; reads may go to a replica."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from django_plugin_system import (
    NoPluginAvailable,
    PluginUnavailable,
    aget_plugin,
    changes,
    failover,
    get_plugin,
    get_plugin_by_id,
    get_plugins,
    refresh_plugins,
)
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.databases import new_alias, new_database, replicate
from tests.support.plugins import VALID, AbstractSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance, read_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import DjangoDbBlocker, Settings

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "second", "replica"])


class ReplicaRouter:
    """Reads from the alias "replica", writes to "default"."""

    def db_for_read(self, _model: type, **_hints: Any) -> str:
        """Return the replica."""
        return "replica"

    def db_for_write(self, _model: type, **_hints: Any) -> str:
        """Return the primary."""
        return "default"


class TenantRouter(ReplicaRouter):
    """Reads from the database of whoever is served now."""

    tenant: ClassVar[str] = "default"

    def db_for_read(self, _model: type, **_hints: Any) -> str:
        """Return the tenant's."""
        return self.tenant


@pytest.fixture(scope="module", autouse=True)
def aliases(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Add a second database, and a second connection to the first one, for the tests of this file."""
    del django_db_setup
    with django_db_blocker.unblock(), new_database(tmp_path_factory.mktemp("second"), "second") as second:
        call_command("migrate", database=second, verbosity=0)
        with new_alias("replica", connection.settings_dict["NAME"]):
            yield


@pytest.fixture
def second(transactional_db: None) -> str:
    """Return the alias of the second database; both are synced."""
    del transactional_db
    declare_type()
    declare_item(ProviderSms)
    for alias in ("default", "second"):
        sync_registered_plugins_to_db(using=alias)
    return "second"


def add_to(alias: str, account: str) -> PluginInstance:
    """Store an instance in one of the databases."""
    item = PluginItem.objects.using(alias).get()
    return PluginInstance.objects.using(alias).create(item=item, name="main", config={**VALID, "account": account})


def ask(alias: str | None) -> str:
    """Return the account that is chosen in a database."""
    plugin: Any = get_plugin(AbstractSms, using=alias)
    return str(plugin.config.account)


def test_each_database_is_on_its_own(second: str) -> None:
    """A selection, a list, an id and a failover stay in the database that was asked for."""
    row = add_to("default", "AC1")
    with pytest.raises(NoPluginAvailable):
        get_plugin(AbstractSms, using=second)
    other = add_to(second, "AC2")
    assert (ask(None), ask(second)) == ("AC1", "AC2")
    assert len(get_plugins(AbstractSms, using=second)) == 1
    assert isinstance(get_plugin_by_id(AbstractSms, other.pk, using=second), AbstractSms)
    with pytest.raises(LookupError):
        get_plugin_by_id(AbstractSms, row.pk, using=second)
    for attempt in failover(AbstractSms, using=second):
        with attempt as sms:
            assert sms.send("hi").startswith("hi by AC2")


def test_a_change_stays_in_its_database(second: str) -> None:
    """Writers of one database disturb nobody in another."""
    row = add_to(second, "AC2")
    before = {alias: changes.read(alias) for alias in ("default", second)}
    row.set_config({**VALID, "account": "AC3"})
    row.save()
    refresh_plugins(second)
    row.delete()
    assert changes.read("default") == before["default"]
    assert changes.read(second) != before[second]


def test_a_failure_is_noted_where_the_row_is(second: str) -> None:
    """A failover in one database sets nobody aside in another."""
    add_to("default", "AC1")
    add_to(second, "AC2")
    attempts = iter(failover(AbstractSms, using=second))
    with next(attempts):
        raise PluginUnavailable
    assert PluginInstance.objects.using(second).get().unavailable_until is not None
    assert PluginInstance.objects.get().unavailable_until is None


def test_a_sync_stays_in_its_database(second: str) -> None:
    """Mode update and pruning touch the rows of one database only."""
    PluginItem.objects.using(second).update(priority=5)
    PluginItem.objects.update(priority=5)
    assert sync_registered_plugins_to_db(mode="update", using=second).items_updated == 1
    assert PluginItem.objects.get().priority == 5


def test_a_row_copied_to_another_database_keeps_its_secrets(second: str) -> None:
    """The tokens are bound to the row's id, which is the same there."""
    row = add_to("default", "AC1")
    PluginItem.objects.using(second).all().delete()
    PluginType.objects.using(second).all().delete()
    for copied in (row.item.plugin_type, row.item, row):
        copied.save(using=second, force_insert=True)
    assert read_raw(row.pk, second) == read_raw(row.pk)
    assert ask(second) == "AC1"


def test_the_command_takes_a_database(second: str) -> None:
    """With --database, pluginsync writes to that one."""
    PluginItem.objects.using(second).all().delete()
    PluginItem.objects.all().delete()
    call_command("pluginsync", "--database", second, stdout=io.StringIO())
    assert PluginItem.objects.using(second).exists()
    assert not PluginItem.objects.exists()


@pytest.mark.usefixtures("second")
def test_nothing_is_written_to_a_replica(settings: Settings) -> None:
    """Selections read from the replica; configurations, cooldowns and changes are written to the primary."""
    settings.DATABASE_ROUTERS = ["tests.changes.test_databases.ReplicaRouter"]
    row = add_instance(item=PluginItem.objects.using("default").get())
    with CaptureQueriesContext(connections["replica"]) as queries:
        assert ask(None) == "AC1"
        for outcome in (PluginUnavailable("down"), None):
            with next(iter(failover(AbstractSms))):
                if outcome:
                    raise outcome
            assert bool(PluginInstance.objects.get(pk=row.pk).last_error) == bool(outcome)
        read = PluginInstance.objects.get()
        read.set_config({**VALID, "account": "AC2"})
        read.save()
        refresh_plugins()
        assert ask(None) == "AC2"
    assert queries.captured_queries
    assert not [query["sql"] for query in queries if not query["sql"].startswith("SELECT")]


def test_a_replica_that_lags_is_old_as_a_whole(second: str, settings: Settings) -> None:
    """Changes and rows come from one database: a selection is as old as the replica, and new when that catches up."""
    del second
    add_to("default", "AC1")
    replicate()
    settings.DATABASE_ROUTERS = ["tests.support.databases.LaggingRouter"]
    assert ask(None) == "AC1"
    settings.DATABASE_ROUTERS = []
    row = PluginInstance.objects.get()
    row.set_config({**VALID, "account": "AC2"})
    row.save()
    settings.DATABASE_ROUTERS = ["tests.support.databases.LaggingRouter"]
    assert (ask(None), ask("default")) == ("AC1", "AC2")
    settings.DATABASE_ROUTERS = []
    replicate()
    settings.DATABASE_ROUTERS = ["tests.support.databases.LaggingRouter"]
    assert ask(None) == "AC2"


@pytest.mark.parametrize("staleness", [0, 3600])
def test_a_router_is_asked_each_time(second: str, settings: Settings, staleness: int) -> None:
    """A router that chooses by request gets each request its own database, whatever was selected before."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    for alias, account in (("default", "AC1"), (second, "AC2")):
        add_to(alias, account)
    settings.DATABASE_ROUTERS = ["tests.changes.test_databases.TenantRouter"]
    answers = []
    for alias in ("default", second, "default", second):
        TenantRouter.tenant = alias
        answers += [ask(None), async_to_sync(aget_plugin)(AbstractSms).config.account]  # type: ignore[attr-defined]
    assert answers == ["AC1", "AC1", "AC2", "AC2"] * 2


@pytest.mark.parametrize("staleness", [0, 3600])
def test_an_alias_may_stand_for_one_database_after_another(second: str, settings: Settings, staleness: int) -> None:
    """Where a project changes the name of the database behind an alias, each database has its own results."""
    settings.PLUGIN_SYSTEM = {"MAX_STALENESS": staleness}
    for alias, account in (("default", "AC1"), (second, "AC2")):
        add_to(alias, account)
    moving, answers = connections["replica"], []
    for alias in ("default", second, "default", second, "default"):
        moving.close()
        moving.settings_dict["NAME"] = connections[alias].settings_dict["NAME"]
        answers.append(ask("replica"))
    assert answers == ["AC1", "AC2", "AC1", "AC2", "AC1"]
