"""State that renews itself: who renews it, what becomes of it in transactions, and of a configuration that changes."""

from __future__ import annotations

import asyncio
import io
import signal
import subprocess
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction
from pydantic import BaseModel, SecretStr

from django_plugin_system import (
    ConfigurablePlugin,
    PluginUnavailable,
    aget_plugin,
    explain_selection,
    get_plugin,
    refresh_plugins,
    report_failure,
)
from django_plugin_system.checks import check_instances
from django_plugin_system.exceptions import (
    InvalidConfig,
    InvalidConfigSchema,
    NoPluginAvailable,
    PluginCredentialsRefused,
    SecretError,
    StateUnavailable,
)
from django_plugin_system.models import PluginInstance, PluginState
from django_plugin_system.rotation import count_rows_by_key, rotate_secrets, verify_secrets
from django_plugin_system.rows import state as states
from django_plugin_system.selection.trial import run_check
from tests.rotation.running import NEW, OLD
from tests.state.plugins import Crm, CrmConfig, Tokens, set_up
from tests.support import warm
from tests.support.plugins import AbstractSms, declare_item, declare_type
from tests.support.token_server import TokenServer, running_token_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """Run a server of refresh tokens that work once."""
    with running_token_server() as running:
        yield running


@pytest.fixture
def row(server: TokenServer) -> PluginInstance:
    """Store an instance that gets its tokens there."""
    made: PluginInstance = set_up(server.url)
    return made


def get() -> Any:
    """Return a new plugin."""
    return get_plugin(AbstractSms)


def show(tokens: Tokens | None) -> str | None:
    """Return the access token."""
    return tokens.access.get_secret_value() if tokens else None


def wait_until(is_so: Callable[[], object]) -> None:
    """Give another thread its time."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)


class Undone(Exception):
    """Rolls a transaction back."""


# Reading and renewing


@pytest.mark.usefixtures("row")
def test_a_state_is_kept_for_every_process_and_renewed_when_it_is_stale(server: TokenServer) -> None:
    """The first call asks the provider; later ones use what is stored, until it is stale."""
    first = get()
    assert first.state is None
    assert first.send("x") == get().send("x") == "x access-1"
    assert show(get().state) == "access-1"
    assert get().state.key.get_secret_value() == b"\xff\x00"
    server.expires_in = -1
    plugin = get()
    assert show(plugin.renew_state(plugin.refresh)) == "access-2"
    assert get().send("x") == "x access-3"
    assert (server.refreshes, server.refused) == (3, 0)


@pytest.mark.usefixtures("row")
def test_who_comes_late_takes_what_was_renewed_meanwhile(server: TokenServer) -> None:
    """Another one may renew a state after it was found stale: no refresh token is used twice."""
    assert get().send("x") == "x access-1"
    late, other, seen = get(), get(), list[str | None]()

    def is_stale(tokens: Tokens) -> bool:
        seen.append(show(tokens))
        if len(seen) == 2:
            other.renew_state(other.refresh)
        return show(tokens) == "access-1"

    assert show(late.renew_state(late.refresh, stale=is_stale)) == "access-2"
    assert seen == ["access-1", "access-1", "access-2"]
    assert (server.refreshes, server.refused) == (2, 0)


def test_what_is_stored_tells_nothing(row: PluginInstance) -> None:
    """The whole state is one token; a dump of the database has nothing else, and an export has not even that."""
    assert get().send("x")
    [state] = PluginState.objects.all()
    assert state.stored.startswith("dps1.")
    assert (state.instance, state.revision, str(state)) == (row, row.config_revision, str(row.config_revision))
    assert (state.lease, state.lease_until) == (None, None)
    for command in ("dumpdata", "pluginexport"):
        dumped = io.StringIO()
        call_command(command, *["django_plugin_system"] * (command == "dumpdata"), stdout=dumped)
        assert "planted" not in dumped.getvalue()
        assert (state.stored in dumped.getvalue()) is (command == "dumpdata")


@pytest.mark.usefixtures("row")
def test_without_stale_a_state_is_renewed_unless_somebody_was_faster() -> None:
    """What the provider refused before its time is renewed once, whoever else had the same."""
    assert get().send("x")
    one, other = get(), get()
    assert show(one.state) == show(other.state) == "access-1"
    assert show(one.renew_state(one.refresh)) == "access-2"
    assert show(other.renew_state(other.refresh)) == "access-2"


def test_a_plugin_built_by_hand_keeps_its_own_state(server: TokenServer) -> None:
    """There is no row to keep it in; and an unsaved change of a configuration leaves that of the row alone."""
    plugin = Crm(CrmConfig(url=server.url))
    assert plugin.state is None
    assert plugin.send("x") == plugin.send("x") == "x access-1"
    row = set_up(server.url)
    server.current = "planted-refresh-0"
    row.set_config({"url": f"{server.url}?tried"})
    assert row.load_plugin().send("x") == "x access-2"
    assert not PluginState.objects.exists()


def test_another_scope_drops_the_state(row: PluginInstance, server: TokenServer) -> None:
    """What a provider handed out for one tenant is not there for another; the configuration moves along."""
    assert get().send("x") == "x access-1"
    objects: Any = PluginInstance.objects
    assert objects.filter(pk=row.pk).update(scope="acme") == 1
    moved = get_plugin(AbstractSms, scope="acme")
    assert isinstance(moved, Crm)
    server.current = "planted-refresh-0"
    assert moved.state is None
    assert moved.send("x") == "x access-2"


def test_a_changed_configuration_drops_the_state(row: PluginInstance, server: TokenServer) -> None:
    """What belongs to other credentials is not used with these; a new description, or a new key, changes nothing."""
    assert get().send("x") == "x access-1"
    row.description = "another text"
    row.save()
    assert get().send("x") == "x access-1"
    row.set_config({"url": f"{server.url}?changed"})
    row.save()
    server.current = "planted-refresh-0"
    assert get().state is None
    assert get().send("x") == "x access-2"
    assert PluginState.objects.count() == 1
    row.delete()
    assert not PluginState.objects.exists()


def test_an_upgrade_keeps_the_state(row: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that newer code stores in another form is the same one still: nobody has to log in again."""
    assert get().send("x") == "x access-1"
    monkeypatch.setattr(Crm, "config_version", 2)
    monkeypatch.setattr(Crm, "migrate_config", lambda config, _version: {**config, "url": f"{config['url']}?v2"})
    assert get().send("x") == "x access-1"
    PluginInstance.objects.all().renew_configs()
    row.refresh_from_db()
    assert row.config["url"].endswith("?v2")
    assert get().send("x") == "x access-1"


def test_an_outdated_plugin_leaves_the_new_state_alone(row: PluginInstance, server: TokenServer) -> None:
    """Who still holds a plugin of the former configuration renews the former state; the new one stays."""
    old = get()
    row.set_config({"url": f"{server.url}?changed"})
    row.save()
    assert get().send("x") == "x access-1"
    server.current = "planted-refresh-0"
    assert old.send("x") == "x access-2"
    assert get().send("x") == "x access-1"


def test_two_rows_have_nothing_of_each_other(row: PluginInstance) -> None:
    """A state that is moved to another row, or another revision, does not open."""
    assert get().send("x")
    twin = PluginInstance.objects.create(item=row.item, name="twin", config=row.load_config())
    PluginState.objects.update(instance=twin, revision=twin.config_revision)
    plugin: Any = get_plugin(AbstractSms, name="main")
    assert plugin.state is None
    with pytest.raises(NoPluginAvailable, match="does not belong here"):
        get_plugin(AbstractSms, name="twin")


def test_a_test_of_the_stored_configuration_has_its_state(row: PluginInstance, server: TokenServer) -> None:
    """A button that tries an instance uses no refresh token twice; what is unsaved is tried without any state."""
    Crm.seen.clear()
    assert get().send("x") == "x access-1"
    for _ in range(2):
        assert run_check(row, row).passed
    assert Crm.seen == ["x access-1"] * 2
    tried = PluginInstance.objects.get()
    tried.set_config({"url": f"{server.url}?tried"})
    assert run_check(tried, row).error == "PluginCredentialsRefused: 400"
    assert show(get().state) == "access-1"


# What cannot be read, or renewed


def test_a_state_that_cannot_be_read_is_a_reason_and_the_next_one_serves(row: PluginInstance) -> None:
    """Its key is missing, or it no longer fits: the explanation says so, and selection goes on."""
    assert get().send("x")
    PluginInstance.objects.create(item=row.item, name="spare", priority=9, config=row.load_config())
    plugin, text = get(), PluginState.objects.values_list("stored", flat=True)[0]
    place, revision = states.make_state_place(row), row.config_revision
    PluginState.objects.update(stored=states.seal_state([{"access": {}}, [[["access"], False, "a"]]], place, revision))
    refresh_plugins()
    reason = explain_selection(AbstractSms).candidates[0].reason
    assert reason == "config invalid: state.refresh: Field required; state.expires_at: Field required"
    assert any(f"main (provider) ({reason})" in found.msg for found in check_instances(["default"]))
    PluginState.objects.update(stored=text.replace(text[5:13], "0" * 8))
    refresh_plugins()
    explained = explain_selection(AbstractSms)
    assert explained.candidates[0].reason is not None
    assert "state: encrypted with key 00000000, which is not configured" in explained.candidates[0].reason
    assert get().plugin_instance.name == "spare"
    with pytest.raises(SecretError):
        assert plugin.state


@pytest.mark.usefixtures("row")
def test_a_refused_refresh_is_told_and_lets_the_next_one_try(server: TokenServer) -> None:
    """The plugin's own error comes as it is, the lease ends with it, and what is stored stays."""
    assert get().send("x")
    server.current, server.expires_in = "another", 0
    plugin = get()
    with pytest.raises(PluginCredentialsRefused, match="400"):
        plugin.renew_state(plugin.refresh)
    assert show(get().state) == "access-1"
    assert PluginState.objects.get().lease is None
    server.current = "planted-refresh-1"
    assert show(plugin.renew_state(plugin.refresh)) == "access-2"


@pytest.mark.usefixtures("row")
def test_what_is_refused_because_somebody_used_it_is_read_again() -> None:
    """A lease that ran out lets another one in: who is refused then takes what that one stored."""
    assert get().send("x")
    slow, quick = get(), get()

    def refresh(tokens: Tokens | None) -> Tokens:
        PluginState.objects.update(lease=None, lease_until=None)
        with suppress(StateUnavailable):
            quick.renew_state(quick.refresh, timeout=0)
        if show(get().state) == "access-1":  # SQLite's lease is a lock, which does not run out
            _store_as_another_process(quick, tokens)
        raise PluginCredentialsRefused("400")

    assert show(slow.renew_state(refresh)) == "access-2"


def _store_as_another_process(plugin: Any, tokens: Tokens | None) -> None:
    store = plugin._get_store()  # noqa: SLF001 - as if
    parsed = store.codec.parse(plugin.refresh(tokens))
    store._write(PluginState.objects.get().stored, store._seal(parsed))  # noqa: SLF001 - as if


@pytest.mark.usefixtures("row")
def test_what_is_no_state_is_refused() -> None:
    """``refresh`` has to return a model of the schema; the lease ends with the error."""
    plugin = get()
    with pytest.raises(InvalidConfig, match="is a CrmConfig, expected a Tokens"):
        plugin.renew_state(lambda _tokens: CrmConfig(url="x"))
    assert plugin.send("x") == "x access-1"


def test_a_schema_that_cannot_be_stored_is_refused_at_registration() -> None:
    """As for a configuration, the types tell."""

    class Bad(BaseModel):
        tokens: set[SecretStr]

    class BadCrm(ConfigurablePlugin[CrmConfig], AbstractSms):
        state_schema = Bad

        def send(self, text: str) -> str:
            return text

    declare_type()
    with pytest.raises(InvalidConfigSchema, match="state_schema that cannot be stored"):
        declare_item(BadCrm)
    assert BadCrm(CrmConfig(url="x")).send("x") == "x"


def test_what_a_provider_handed_out_is_a_secret_in_its_errors(
    row: PluginInstance, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that quotes a token is kept without its text: in the log, in the row, and in what a test says."""
    assert get().send("x")
    row.refresh_from_db()
    report_failure(get(), PluginUnavailable("401 for access-1"))
    assert "withheld" in PluginInstance.objects.get().last_error
    assert "access-1" not in caplog.text + PluginInstance.objects.get().last_error


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("is_coroutine", [True, False])
def test_asynchronous_code_renews_as_well(server: TokenServer, *, is_coroutine: bool) -> None:
    """The event loop goes on meanwhile, whether ``refresh`` is a coroutine function or blocks."""

    async def call() -> str | None:
        plugin: Any = await aget_plugin(AbstractSms)

        async def refresh(tokens: Tokens | None) -> Any:
            return plugin.refresh(tokens)

        def block(tokens: Tokens | None) -> Any:
            assert ticked.wait(20)
            return plugin.refresh(tokens)

        ticked = threading.Event()
        renewal = asyncio.create_task(plugin.arenew_state(refresh if is_coroutine else block, lease=30))
        await asyncio.sleep(0)
        ticked.set()
        return show(await renewal)

    assert async_to_sync(call)() == "access-1"
    assert (server.refreshes, server.refused) == (1, 0)


# Several at once


@pytest.mark.usefixtures("row")
def test_one_renews_and_the_others_wait_for_it(server: TokenServer) -> None:
    """Threads that find a stale state at once ask the provider once, and all use the answer."""
    found = []

    def call() -> None:
        with closing(connections["default"]):
            found.append(get().send("x"))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["x access-1"] * 6
    assert (server.refreshes, server.refused) == (1, 0)


@pytest.mark.usefixtures("row")
def test_waiting_ends(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits is told when the one it waits for fails (where the lease is a row), or takes too long."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(states, "sleep", wait)
    started, ending, errors = threading.Event(), threading.Event(), []

    def fail(_tokens: Any) -> Any:
        started.set()
        ending.wait(20)
        raise TimeoutError

    def renew(refresh: Any, timeout: float) -> None:
        with closing(connections["default"]):
            try:
                plugin = get()
                plugin.renew_state(refresh or plugin.refresh, timeout=timeout)
            except (StateUnavailable, TimeoutError) as error:
                errors.append(f"{type(error).__name__}: {error}")

    first = threading.Thread(target=renew, args=(fail, 30))
    first.start()
    started.wait(20)
    renew(None, 0.05)
    [error] = errors
    assert error.startswith("StateUnavailable: There is no fresh value of the state of main (provider): no chance to")
    waits.clear()
    second = threading.Thread(target=renew, args=(None, 30))
    second.start()
    wait_until(lambda: waits)
    ending.set()
    first.join()
    second.join()
    assert "TimeoutError: " in errors
    told = any("another one tried to renew it, and failed." in error for error in errors)
    assert (told, server.refreshes) == ((True, 0) if connection.vendor == "postgresql" else (False, 1))


@pytest.mark.usefixtures("row")
def test_processes_renew_once_each_time_whatever_is_rolled_back(server: TokenServer) -> None:
    """No refresh token is used twice, and none is lost, though transactions around the calls are rolled back."""
    server.expires_in = 0.05
    command = [warm.python(), "-m", "tests.state.renewing", "1.5"]
    processes = [subprocess.Popen([*command, str(seed)]) for seed in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert server.refused == 0
    assert server.refreshes > 1


KILLED = """
import os, signal, sys
import django
django.setup()
from tests.state import plugins
from django_plugin_system import get_plugin
plugins.declare()
plugin = get_plugin(plugins.AbstractSms)
plugin.renew_state(lambda tokens: os.kill(os.getpid(), signal.SIGKILL), lease=1)
"""


@pytest.mark.usefixtures("row")
def test_who_is_killed_leaves_a_lease_that_ends(server: TokenServer) -> None:
    """A process that dies before it has asked the provider costs its lease's time, and no token."""
    done = subprocess.run([warm.python(), "-c", KILLED], check=False)
    assert done.returncode == -signal.SIGKILL
    assert get().send("x") == "x access-1"
    assert server.refused == 0


# Transactions


@pytest.mark.usefixtures("row")
def test_a_rollback_loses_nothing(server: TokenServer) -> None:
    """What was renewed inside a transaction stays, also within that transaction, and twice in it."""
    with suppress(Undone), transaction.atomic():
        PluginInstance.objects.update(description="rolled back")
        assert get().send("x") == "x access-1"
        assert show(get().state) == "access-1"
        plugin = get()
        assert show(plugin.renew_state(plugin.refresh)) == "access-2"
        raise Undone
    wait_until(lambda: not states._kept)  # noqa: SLF001 - SQLite's
    assert show(get().state) == "access-2"
    with transaction.atomic():
        PluginInstance.objects.update(description="committed")
        plugin = get()
        assert show(plugin.renew_state(plugin.refresh)) == "access-3"
    wait_until(lambda: not states._kept)  # noqa: SLF001 - SQLite's
    assert show(get().state) == "access-3"
    assert (server.refreshes, server.refused) == (3, 0)


@pytest.mark.usefixtures("row")
def test_a_rollback_by_hand_loses_nothing(server: TokenServer) -> None:
    """Without autocommit there is no end of a transaction to wait for."""
    transaction.set_autocommit(False)
    try:
        assert get().send("x") == "x access-1"
        transaction.rollback()
    finally:
        transaction.set_autocommit(True)
    wait_until(lambda: not states._kept)  # noqa: SLF001 - SQLite's
    assert show(get().state) == "access-1"
    assert (server.refreshes, server.refused) == (1, 0)


def test_nothing_waits_for_the_callers_locks(row: PluginInstance) -> None:
    """The caller may have locked the instance, or just made it, when its plugin renews its state."""
    with transaction.atomic():
        assert len(PluginInstance.objects.select_for_update().filter(pk=row.pk)) == 1
        assert get().send("x") == "x access-1"
        new = PluginInstance.objects.create(item=row.item, name="new", config=row.load_config())
        tokens = Tokens(access=SecretStr("a"), refresh=SecretStr("r"), expires_at=1)
        plugin: Any = get_plugin(AbstractSms, name="new")
        assert show(plugin.renew_state(lambda _tokens: tokens)) == "a"
    wait_until(lambda: not states._kept)  # noqa: SLF001 - SQLite's
    assert new.states.count() == 1


@pytest.mark.usefixtures("row")
def test_what_cannot_be_stored_yet_is_kept(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that fails at the wrong moment loses no answer: the process uses it, and writes it when it can."""
    write, broken = states.StateStore._write, threading.Event()  # noqa: SLF001 - it fails here
    broken.set()

    def fail(*args: Any) -> None:
        if broken.is_set():
            raise DatabaseError("planted")
        write(*args)

    monkeypatch.setattr(states.StateStore, "_write", fail)
    assert get().send("x") == "x access-1"
    assert show(get().state) == "access-1"
    assert "cannot be stored yet: DatabaseError" in caplog.text
    assert not PluginState.objects.exclude(stored="").exists()
    plugin = get()
    with pytest.raises(StateUnavailable):
        plugin.renew_state(plugin.refresh, timeout=0)
    broken.clear()
    wait_until(lambda: not states._kept)  # noqa: SLF001 - the claim
    assert PluginState.objects.exclude(stored="").exists()
    broken.set()
    monkeypatch.setattr(states, "KEPT_FOR", 0)
    plugin = get()
    plugin.renew_state(plugin.refresh)
    wait_until(lambda: not states._kept)  # noqa: SLF001 - the claim


# Rotation


def test_a_rotation_covers_states(settings: Settings, server: TokenServer) -> None:
    """They get the first key, a check counts them, and what cannot be opened is a problem of its own."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [OLD]}
    set_up(server.url)
    assert get().send("x")
    old = PluginState.objects.get().stored
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW, OLD]}
    assert verify_secrets().outdated
    assert rotate_secrets(dry_run=True).rewritten
    assert PluginState.objects.get().stored == old
    rotate_secrets()
    report = verify_secrets()
    assert (report.outdated, report.problems) == ({}, [])
    assert get().send("x") == "x access-1"
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [NEW]}
    assert list(count_rows_by_key("default")) == [PluginState.objects.get().stored[5:13]]
    PluginState.objects.update(stored=old)
    [problem] = rotate_secrets().problems
    assert "state: encrypted with key" in problem
