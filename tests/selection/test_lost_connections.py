"""What a provider did reaches the caller, and the next one is tried, whatever becomes of the database meanwhile."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest
from django.db import Error, InterfaceError, OperationalError, connection, connections, transaction

from django_plugin_system import AllPluginsFailed, PluginUnavailable, changes, failover
from django_plugin_system.selection.notes import _waiting, write_waiting
from tests.support.health import set_health
from tests.support.plugins import AbstractSms
from tests.support.rows import add_instance, reload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginInstance, PluginItem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def first(provider: PluginItem) -> Iterator[PluginInstance]:
    """Store two instances, and return the better one; the connection works again after the test."""
    add_instance("second", provider, priority=2)
    yield add_instance("first", provider, priority=1)
    connection.close()
    write_waiting()
    assert not _waiting


def send(*breaks: Any, fails: bool = True) -> list[str]:
    """Send, while something happens to the connection in the first attempt; return who was tried."""
    tried = []
    for attempt in failover(AbstractSms):
        with attempt:
            tried.append(attempt.instance.name)
            for break_it in breaks if len(tried) == 1 else ():
                break_it()
            if fails and len(tried) == 1:
                raise PluginUnavailable
    return tried


@pytest.mark.parametrize(
    "error", [OperationalError("closed"), InterfaceError("already closed")], ids=["lost", "closed"]
)
def test_a_success_stays_a_success(first: PluginInstance, error: Error) -> None:
    """The connection is dead when the success is to be noted: the caller is not told to send again."""
    set_health([first], last_error="an old one")

    def refuse(*_args: Any) -> None:
        raise error

    with ExitStack() as stack:
        assert send(lambda: stack.enter_context(connection.execute_wrapper(refuse)), fails=False) == ["first"]
        write_waiting()
        assert len(_waiting) == 1
    write_waiting()
    assert reload(first).last_error == ""


def lose_connection() -> None:
    """Lose the connection, as after a restart of the database."""
    if connection.vendor == "postgresql":
        (pid,) = connection.cursor().execute("SELECT pg_backend_pid()").fetchone()
        other = connection.copy()
        other.cursor().execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()
    else:
        connection.connection.close()


def test_the_next_one_is_tried_after_a_lost_connection(first: PluginInstance) -> None:
    """Who comes next is looked for through another connection."""
    assert send(lose_connection) == ["first", "second"]
    connection.close()
    write_waiting()
    assert reload(first).last_error == "PluginUnavailable"


def break_transaction() -> None:
    """Let a statement fail that nobody takes back."""
    with suppress(Error):
        connection.cursor().execute("SELECT * FROM nothing")
    transaction.set_rollback(True)


@pytest.mark.parametrize("break_it", [lose_connection, break_transaction])
def test_the_next_one_is_tried_in_a_broken_transaction(first: PluginInstance, break_it: Any) -> None:
    """So it is where the caller's transaction cannot be used any more; what was learned is written after it."""
    with suppress(Error), transaction.atomic():
        assert send(break_it) == ["first", "second"]
    connection.close()
    write_waiting()
    assert reload(first).last_error == "PluginUnavailable"


def test_no_other_schema_is_looked_through(first: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other connection shows the tables of the same tenant."""
    switched: list[str] = []
    monkeypatch.setattr(changes, "_without_schemas", set())
    kind = type(connections["default"])
    monkeypatch.setattr(kind, "schema_name", "public", raising=False)
    monkeypatch.setattr(kind, "set_schema", lambda _connection, schema: switched.append(schema), raising=False)
    monkeypatch.setattr(connection, "schema_name", "one", raising=False)
    assert send(lose_connection) == ["first", "second"]
    assert set(switched) == {"one"}
    connection.close()
    write_waiting()
    del first


def test_without_any_connection_the_providers_error_is_told(
    first: PluginInstance, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the database cannot be reached at all, the caller learns what the provider said, and the log the rest."""

    def refuse(*_args: Any) -> None:
        raise OperationalError("the database\nis gone")

    with pytest.raises(AllPluginsFailed) as failed:
        send(lambda: monkeypatch.setattr(type(connections["default"]), "cursor", refuse))
    monkeypatch.undo()
    assert len(failed.value.exceptions) == 1
    assert r"No other plugin instance could be looked for: the database\nis gone" in caplog.text
    del first
