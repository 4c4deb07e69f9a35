"""The change token reaches the database with the first statement of a write, whatever kind of statement that is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import DatabaseError, connection, transaction

from django_plugin_system.changes import TABLE as TOKENS
from django_plugin_system.changes import changing, read_token
from django_plugin_system.models import ChangeToken, PluginInstance, PluginType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

TYPES = PluginType._meta.db_table  # noqa: SLF001 - Django documents it


def insert_types() -> None:
    """Send one statement for several rows, as ``executemany`` does."""
    rows = [(f"{number:032x}", f"type-{number}") for number in range(3)]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {TYPES} (id, name, manager, description) VALUES (%s, %s, 'm', '')", rows)  # noqa: S608
        assert cursor.rowcount == len(rows)


def look_for_percent() -> None:
    """Send a statement without parameters, in which a percent sign stands for itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT '100%'")
        assert cursor.fetchall() == [("100%",)]


def look_for_a_parameter() -> None:
    """Send a statement with a parameter that looks like one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM (SELECT 'a' AS name) AS names WHERE name <> %s", ["%s; --"])
        assert (cursor.rowcount in (1, -1), cursor.fetchall()) == (True, [("a",)])


def read_by_and_by() -> None:
    """Read rows through a cursor on the server, where the database has one."""
    assert list(PluginType.objects.iterator(chunk_size=1)) == []


def save_inside_a_savepoint() -> None:
    """Begin with a savepoint that is rolled back."""
    with transaction.atomic():
        PluginType.objects.create(name="lost", manager="m")
        transaction.set_rollback(True)
    assert not PluginType.objects.exists()


def do_nothing() -> None:
    """Send no statement at all."""


KINDS = [insert_types, look_for_percent, look_for_a_parameter, read_by_and_by, save_inside_a_savepoint, do_nothing]
every_kind = pytest.mark.parametrize("act", KINDS, ids=lambda act: act.__name__)


@every_kind
def test_each_kind_of_statement_brings_the_token(act: Callable[[], None]) -> None:
    """Whatever a write begins with, there is a new token after it, set once."""
    before = read_token("default")
    with changing("default"):
        act()
        inside = read_token("default")
    assert inside == read_token("default") != before


@every_kind
def test_a_missing_token_is_inserted(act: Callable[[], None]) -> None:
    """A write to a flushed database brings the token's row back, whatever it begins with."""
    ChangeToken.objects.all().delete()
    with changing("default"):
        act()
    assert read_token("default")
    assert ChangeToken.objects.count() == 1


def test_a_first_statement_that_fails_leaves_the_token() -> None:
    """If the write fails at once, the token stays as it was, and the next write sets one."""
    before = read_token("default")
    with pytest.raises(DatabaseError), changing("default"), connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM nowhere")
    assert read_token("default") == before
    PluginType.objects.create(name="sms", manager="m")
    assert read_token("default") != before


def test_results_are_those_of_the_statement() -> None:
    """The numbers of rows that Django reports are those of its own statement, not of the token's."""
    PluginType.objects.bulk_create(PluginType(name=f"type-{number}", manager="m") for number in range(3))
    assert PluginType.objects.update(description="new") == 3
    assert PluginType.objects.filter(name="nobody").update(description="new") == 0
    assert PluginInstance.objects.all().delete() == (0, {})
    assert PluginType.objects.filter(name="type-0").delete()[0] == 1


OPTIONS = [
    {"server_side_binding": True},
    {"prepare_threshold": 0},
    {"prepare_threshold": 0, "server_side_binding": True},
]


@pytest.fixture(params=OPTIONS, ids=str)
def options(request: pytest.FixtureRequest) -> Iterator[None]:
    """Connect with other options: let the server bind parameters, prepare each statement, or both."""
    usual = connection.settings_dict["OPTIONS"]
    connection.close()
    connection.settings_dict["OPTIONS"] = {**usual, **request.param}
    yield
    connection.close()
    connection.settings_dict["OPTIONS"] = usual


@pytest.mark.postgres
@pytest.mark.usefixtures("options")
def test_it_works_however_the_connection_is_set_up() -> None:
    """Also where the server takes one statement at a time, writes work as usual, and set the token."""
    before = read_token("default")
    test_results_are_those_of_the_statement()
    assert read_token("default") != before


@pytest.mark.postgres
def test_the_token_costs_no_message_of_its_own(tmp_path: Path) -> None:
    """The trace of libpq shows that a write sends BEGIN, one message with the token and the statement, and COMMIT."""
    PluginType.objects.create(name="sms", manager="m")
    with (tmp_path / "trace").open("w+") as trace:
        connection.connection.pgconn.trace(trace.fileno())
        PluginType.objects.update(description="new")
        connection.connection.pgconn.untrace()
        trace.seek(0)
        sent = [line for line in trace if "\tQuery\t" in line]
    assert [line.split('"')[1].split()[0] for line in sent] == ["BEGIN", "INSERT", "COMMIT"]
    assert (TOKENS in sent[1], TYPES in sent[1]) == (True, True)
