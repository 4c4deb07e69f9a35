"""A replica that lags: what is read there is old, and nothing that is old is written over what is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command
from django.db import connections

from django_plugin_system.exceptions import StaleConfig
from django_plugin_system.models import PluginInstance
from tests.support import errands
from tests.support.databases import new_database, replicate
from tests.support.plugins import VALID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import DjangoDbBlocker, Settings

    from tests.support.worker import Worker

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "second"])

PRIMARY = PluginInstance.objects.using("default")
MAIN, WORSE = "provider/main/AC1", "provider/worse/AC1"


@pytest.fixture(scope="module", autouse=True)
def replica(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Make the replica; return the name of its database."""
    del django_db_setup
    with django_db_blocker.unblock(), new_database(tmp_path_factory.mktemp("replica"), "second") as second:
        call_command("migrate", database=second, verbosity=0)
        yield str(connections[second].settings_dict["NAME"])


@pytest.fixture
def follower(other: Worker, replica: str) -> Iterator[Worker]:
    """Return the other process when it reads from the replica, which is up to date still."""
    replicate()
    other.ask("read_from", replica)
    assert other.ask("choose_in_all_ways") == [MAIN, "AC1", "AC1"]
    yield other
    other.ask("read_from_primary")


@pytest.fixture
def stale(other: Worker, settings: Settings) -> PluginInstance:
    """Return a row as it was read from a replica, from before somebody else's edit."""
    del other
    replicate()
    row = PRIMARY.get(name="main")
    row.set_config({**VALID, "account": "AC2", "token": "theirs"})
    row.save()
    settings.DATABASE_ROUTERS = ["tests.support.databases.LaggingRouter"]
    read = PluginInstance.objects.get(name="main")
    assert (read._state.db, read.config["account"]) == ("second", "AC1")
    return read


def assert_kept() -> None:
    """Check that the primary has the newer configuration still."""
    row = PRIMARY.select_related("item__plugin_type").get(name="main")
    assert (row.config["account"], row.open_secrets()["token",]) == ("AC2", "theirs")


def test_a_process_sees_what_its_replica_has(follower: Worker) -> None:
    """It goes on with the old row, in every way of asking, until the replica catches up; then it sees the change."""
    PluginInstance.objects.filter(name="main").update(status="disable")
    assert errands.choose_in_all_ways() == [WORSE, "AC1", "AC1"]
    assert follower.ask("choose_in_all_ways") == [MAIN, "AC1", "AC1"]
    replicate()
    assert follower.ask("choose_in_all_ways") == [WORSE, "AC1", "AC1"]


def test_its_writes_are_seen_at_the_primary_first(follower: Worker) -> None:
    """What the process writes, it reads only when the replica has it; the others see it at once."""
    follower.ask("add", "best", 0)
    assert errands.choose() == "provider/best/AC1"
    assert follower.ask("choose") == MAIN
    replicate()
    assert follower.ask("choose") == "provider/best/AC1"


def test_a_failure_is_written_once_however_far_behind(follower: Worker) -> None:
    """Who does not see its own notes yet tries the providers again, but that counts once; who does tries each once."""
    assert follower.ask("fail_again_and_again", 5) == {"tried": 10, "signals": 2, "updates": 2}
    assert errands.fail_again_and_again(5) == {"tried": 2, "signals": 2, "updates": 4}
    replicate()
    assert follower.ask("fail_again_and_again", 5) == {"tried": 0, "signals": 0, "updates": 0}


def _save(row: PluginInstance) -> None:
    row.save()


def _save_there(row: PluginInstance) -> None:
    row.save(using="default")


def _save_fields(row: PluginInstance) -> None:
    row.save(update_fields=["config", "description"])


def _bulk_update(row: PluginInstance) -> None:
    PluginInstance.objects.bulk_update([row], ["config", "description"])


writes = pytest.mark.parametrize("write", [_save, _save_there, _save_fields, _bulk_update])


@writes
def test_an_old_config_is_not_written_over_a_newer_one(
    stale: PluginInstance, write: Callable[[PluginInstance], None]
) -> None:
    """Who edits another column of a row from the replica keeps the configuration that the primary has."""
    stale.description = "mine"
    write(stale)
    assert_kept()
    assert PRIMARY.get(name="main").description == "mine"


@writes
def test_an_edit_of_an_old_config_is_refused(stale: PluginInstance, write: Callable[[PluginInstance], None]) -> None:
    """Who edits the configuration itself is told that it was changed meanwhile."""
    stale.set_config({**VALID, "account": "AC3"})
    with pytest.raises(StaleConfig):
        write(stale)
    assert_kept()


def test_keys_are_rotated_where_the_newest_rows_are(stale: PluginInstance, settings: Settings) -> None:
    """A rotation reads the primary, too, so that it brings no old secret back."""
    before = PRIMARY.get(pk=stale.pk).config
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key, long enough for Django's own check --deploy, too"
    call_command("pluginrotate", verbosity=0)
    assert_kept()
    assert PRIMARY.get(pk=stale.pk).config != before
