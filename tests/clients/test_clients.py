"""One client for each configuration of a row: made once, closed when nobody needs it, never used when closed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction

from django_plugin_system import (
    ConfigurablePlugin,
    NoPluginAvailable,
    aget_plugin,
    clients,
    explain_selection,
    failover,
    get_plugin,
    refresh_plugins,
    shared_client,
)
from django_plugin_system.exceptions import ClientUnavailable, PluginCredentialsRefused, PluginUnavailable
from django_plugin_system.models import PluginInstance
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.clients.plugins import Client, SharingSms
from tests.support.plugins import SECRET, AbstractSms, LenientConfig, ProviderConfig, declare_item, declare_type
from tests.support.rows import add_instance, get_item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Start each test without clients, and leave none behind."""
    clients.close_clients()
    clients.failures.clear()
    Client.forget()
    yield
    clients.close_clients()
    assert not clients._lines  # noqa: SLF001 - the claim
    assert Client.count_open() == 0


def declare(plugin_class: type = SharingSms, **values: Any) -> PluginInstance:
    """Store an instance of a class with a client."""
    declare_type()
    declare_item(plugin_class)
    sync_registered_plugins_to_db()
    return add_instance(**values)


def change(row: PluginInstance, account: str) -> None:
    """Store another configuration."""
    row.set_config({"account": account, "token": SECRET})
    row.save()


def use() -> Client:
    """Return the client that a new plugin is given; the plugin is gone then."""
    plugin: Any = get_plugin(AbstractSms)
    client: Client = plugin.client
    return client


def wait_until(is_so: Callable[[], object]) -> None:
    """Give the thread that closes clients its time."""
    end = time.monotonic() + 20
    while not is_so():
        gc.collect()
        assert time.monotonic() < end
        time.sleep(0.02)


# Who shares one


def test_plugins_of_one_configuration_share_a_client() -> None:
    """A client is made when it is first used, and every plugin of the row gets that one."""
    row = declare()
    assert not Client.made
    assert use() is use()
    assert use().call() == f"AC1 {SECRET}"
    PluginInstance.objects.filter(pk=row.pk).update(description="another text")
    row.refresh_from_db()
    row.priority = 7
    row.save()
    first = use()
    assert Client.made == [first]
    assert row.load_plugin().client is first


def test_a_changed_configuration_gets_a_client_of_its_own() -> None:
    """The outdated client is closed as soon as nobody uses it; who still does keeps it until then."""
    row = declare()
    old: Any = get_plugin(AbstractSms)
    first = old.client
    change(row, "AC2")
    second = use()
    assert (second is first, old.client is first, first.is_closed) == (False, True, False)
    assert old.send("x") == f"x AC1 {SECRET}"
    del old
    wait_until(lambda: first.is_closed)
    assert use() is second


def test_a_rotated_reference_gets_a_client_of_its_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reference gives belongs to the configuration, though the row stays as it is."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["TOKEN"]}
    monkeypatch.setenv("TOKEN", "first-token")
    declare(config={"account": "AC1", "token": {"$env": "TOKEN"}})
    first = use()
    refresh_plugins()
    assert use() is first
    monkeypatch.setenv("TOKEN", "second-token")
    refresh_plugins()
    assert use().call() == "AC1 second-token"
    wait_until(lambda: first.is_closed)


def test_a_configuration_that_comes_back_is_current_again() -> None:
    """A client that is used still serves its configuration again when a change of that is rolled back."""
    row = declare()
    old: Any = get_plugin(AbstractSms)
    first = old.client
    with suppress(ZeroDivisionError), transaction.atomic():
        change(row, "AC2")
        second = use()
        assert second is not first
        _ = 1 / 0
    assert use() is first
    wait_until(lambda: second.is_closed)
    assert not first.is_closed


def test_two_rows_share_nothing() -> None:
    """Rows with the same configuration have a client each: what one does with it is none of the other's business."""
    declare()
    add_instance("twin")
    plugins: list[Any] = [get_plugin(AbstractSms, name=name) for name in ("main", "twin")]
    assert plugins[0].client is not plugins[1].client


def test_a_plugin_built_by_hand_has_a_client_of_its_own() -> None:
    """Without a stored row nothing says that two plugins mean the same; the client goes with its plugin."""
    config = ProviderConfig.model_validate({"accountName": "AC1", "token": SECRET})
    first, second = SharingSms(config), SharingSms(config)
    assert first.client is first.client
    assert first.client is not second.client
    assert isinstance(SharingSms.client, clients.SharedClient)
    client = first.client
    del first
    wait_until(lambda: client.is_closed)
    assert not second.client.is_closed
    with pytest.raises(ClientUnavailable):
        Refusing(config).send("x")


def test_what_a_caller_does_to_its_plugin_is_not_in_the_client() -> None:
    """The client is made of the configuration as it is stored, for everybody, not as one caller changed its copy."""
    declare()
    plugin: Any = get_plugin(AbstractSms)
    plugin.config.account = "AC-changed"
    assert plugin.client.call() == f"AC1 {SECRET}"


def test_a_row_that_was_changed_and_not_saved_outdates_nothing() -> None:
    """A configuration that is only being tried has a client of its own."""
    row = declare()
    first = use()
    row.set_config({"account": "AC2", "token": SECRET})
    tried = row.load_plugin()
    assert tried.client.call() == f"AC2 {SECRET}"
    assert use() is first


# Makers that fail


class Refusing(SharingSms):
    """A provider whose client cannot be made."""

    error: Exception = OSError(SECRET)

    @shared_client
    def client(self) -> Client:
        """Fail."""
        raise self.error


def test_a_client_that_cannot_be_made_is_a_reason_and_the_next_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failover goes on; for a while selection passes the instance over, and says why; then it is tried again."""
    declare(Refusing)
    declare_item(SharingSms, "spare", priority=9)
    sync_registered_plugins_to_db()
    add_instance("spare", get_item("spare"))
    served = []
    for attempt in failover(AbstractSms):
        with attempt as sms:
            served.append(sms.send("x"))
    assert served == [f"x AC1 {SECRET}"]
    PluginInstance.objects.get(name="main").health.__class__.objects.update(unavailable_until=None)
    explained = explain_selection(AbstractSms)
    assert explained.candidates[0].reason == (
        "Refusing could not be built: its shared client Refusing.client raised OSError."
    )
    assert explained.chosen is not None
    assert explained.chosen.name == "spare"
    assert isinstance(get_plugin(AbstractSms), SharingSms)
    assert SECRET not in str(explained)
    monkeypatch.setattr(clients, "monotonic", lambda: time.monotonic() + clients.RETRY_AFTER)
    with pytest.raises(ClientUnavailable, match=r"Refusing\.client could not be made: OSError\.$") as caught:
        get_plugin(AbstractSms, name="main").send("x")
    assert caught.value.__context__ is None
    assert isinstance(caught.value, PluginUnavailable)
    monkeypatch.setattr(Refusing, "error", PluginCredentialsRefused("401"))
    clients.failures.clear()
    with pytest.raises(PluginCredentialsRefused, match="401"):
        get_plugin(AbstractSms, name="main").send("x")
    with pytest.raises(NoPluginAvailable, match="PluginCredentialsRefused"):
        get_plugin(AbstractSms, name="main")


def test_a_constructor_may_use_its_client() -> None:
    """The row is known before the constructor runs; what it cannot make counts as the constructor's failure."""

    class Eager(SharingSms):
        def __init__(self, config: ProviderConfig) -> None:
            super().__init__(config)
            self.seen = self.client.call()

    declare(Eager)
    plugin: Any = get_plugin(AbstractSms)
    assert plugin.seen == f"AC1 {SECRET}"
    assert len(Client.made) == 1


def test_those_who_wait_for_a_client_that_fails_do_not_try_in_turn() -> None:
    """One thread asks a provider that does not answer; who waited for it gets the answer that it got."""
    tries, started, ending = [], threading.Event(), threading.Event()

    class Slow(SharingSms):
        @shared_client
        def client(self) -> Client:
            """Fail late."""
            tries.append(1)
            started.set()
            ending.wait(20)
            raise TimeoutError

    declare(Slow)
    plugins: list[Any] = [get_plugin(AbstractSms) for _ in range(4)]
    errors: list[str] = []

    def call(plugin: Any) -> None:
        try:
            plugin.send("x")
        except ClientUnavailable as error:
            errors.append(str(error))

    threads = [threading.Thread(target=call, args=(plugin,)) for plugin in plugins]
    threads[0].start()
    started.wait(20)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)  # for the others to wait for it
    ending.set()
    for thread in threads:
        thread.join()
    assert len(tries) == 1
    assert len(errors) == 4


def test_who_waits_while_all_is_closed_gets_another_client() -> None:
    """A client that was being made while everything was closed is closed, too, and given to nobody else."""
    started, ending = threading.Event(), threading.Event()

    class Slow(SharingSms):
        @shared_client
        def client(self) -> Client:
            """Take a while, the first time."""
            started.set()
            ending.wait(20)
            return Client(self.config)

    declare(Slow)
    plugins: list[Any] = [get_plugin(AbstractSms) for _ in range(2)]
    threads = [threading.Thread(target=lambda plugin=plugin: plugin.client) for plugin in plugins]
    threads[0].start()
    started.wait(20)
    threads[1].start()
    closer = threading.Thread(target=clients.close_clients)
    closer.start()
    time.sleep(0.1)  # for the others to wait for it
    ending.set()
    for thread in (*threads, closer):
        thread.join()
    assert Client.made[0].is_closed
    assert plugins[1].client is Client.made[-1]
    assert not Client.made[-1].is_closed


# Closing


def test_clients_are_closed_in_reverse_order_and_errors_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A client may use another one of the same plugin: that is made before it and closed after it."""
    order = []

    def close(client: Client) -> None:
        order.append(client.name)
        client.close()
        if client.name == "pool":
            raise SystemExit(SECRET)

    class Layered(SharingSms):
        @shared_client(close=close)
        def pool(self) -> Client:
            """Make what the client uses."""
            return Client(self.config, "pool")

        @shared_client(close=close)
        def client(self) -> Client:
            """Make a client on top of it."""
            return Client(self.config, f"client of {self.pool.name}")

    row = declare(Layered)
    plugin: Any = get_plugin(AbstractSms)
    assert plugin.client.name == "client of pool"
    assert Layered.client.__doc__ == "Make a client on top of it."
    del plugin
    change(row, "AC2")
    with caplog.at_level(logging.WARNING):
        new: Any = get_plugin(AbstractSms)
        assert new.pool.name == "pool"
        wait_until(lambda: len(order) == 2)
    assert order == ["client of pool", "pool"]
    wait_until(lambda: "pool could not be closed: SystemExit" in caplog.text)
    assert SECRET not in caplog.text


def test_an_outdated_client_is_closed_after_its_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps a plugin too long is given another client of the same configuration."""
    monkeypatch.setattr(clients, "_LOOK_EVERY", 0.01)

    class Short(SharingSms):
        @shared_client(close=Client.close, grace=0.05, idle=0)
        def client(self) -> Client:
            """Make a client."""
            return Client(self.config)

    row = declare(Short)
    old: Any = get_plugin(AbstractSms)
    first = old.client
    change(row, "AC2")
    new: Any = get_plugin(AbstractSms)
    assert new.client is not first
    wait_until(lambda: first.is_closed)
    assert old.send("x") == f"x AC1 {SECRET}"
    current = new.client
    assert not current.is_closed
    del new
    wait_until(lambda: current.is_closed)


def test_what_has_no_close_is_let_go() -> None:
    """Without ``close=`` a client's own method is called, if it has one."""

    class Plain(ConfigurablePlugin[LenientConfig], AbstractSms):
        @shared_client
        def client(self) -> list[int]:
            """Make something that cannot be closed."""
            return [self.config.retries]

        def send(self, text: str) -> str:
            return f"{text} {self.client}"

    assert Plain(LenientConfig()).send("x") == "x [3]"


def test_a_client_of_no_loop_may_be_closed_by_a_coroutine() -> None:
    """What ``close`` returns is waited for, whatever class the client has, and also for who asks in an event loop."""
    done: list[str] = []

    class Remote:
        async def aclose(self) -> None:
            """Take a while."""
            await asyncio.sleep(0)
            done.append("closed")

    class RemoteSms(ConfigurablePlugin[LenientConfig], AbstractSms):
        @shared_client
        def client(self) -> Remote:
            """Make a client."""
            return Remote()

        def send(self, text: str) -> str:
            return f"{text} {self.client is not None}"

    async def close() -> None:
        clients.close_clients()

    plugin = RemoteSms(LenientConfig())
    assert plugin.send("x") == "x True"
    asyncio.run(close())
    assert done == ["closed"]


def test_where_no_thread_can_be_started_there_is_a_client_nonetheless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread is started for the next plugin that needs a client."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError

    declare()
    with monkeypatch.context() as patched:
        patched.setattr(clients, "_closer", None)
        patched.setattr(threading.Thread, "start", refuse)
        client = use()
        clients.close_clients()
        assert (client.is_closed, clients._closer) == (False, None)  # noqa: SLF001 - the claim


def test_there_are_two_of_a_row_at_most() -> None:
    """A third configuration waits for the end of an outdated one; not for the very thread that waits."""
    row = declare()
    first_user: Any = get_plugin(AbstractSms)
    first = first_user.client
    change(row, "AC2")
    second = use()
    change(row, "AC3")
    third: Any = get_plugin(AbstractSms)
    thread = threading.Thread(target=lambda: third.client)
    thread.start()
    wait_until(lambda: second.is_closed)
    thread.join()
    assert not first.is_closed
    assert Client.most_open == 2
    held: list[Any] = [get_plugin(AbstractSms)]
    for number in range(4, 7):
        assert held[-1].client
        change(row, f"AC{number}")
        held.append(get_plugin(AbstractSms))
    assert held[-1].client
    assert Client.most_open > 2


@pytest.mark.django_db(transaction=True)
def test_nobody_calls_a_closed_client() -> None:
    """Threads call while the configuration changes all the time: two clients at most, one in the end."""
    row = declare()
    is_over, calls = threading.Event(), []

    def call() -> None:
        with closing(connections["default"]):
            while not is_over.is_set():
                calls.append(get_plugin(AbstractSms).send("x"))  # an error fails the test: pytest sees to that

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(30):
        change(row, f"AC{number}")
    is_over.set()
    for thread in threads:
        thread.join()
    assert calls
    assert use().call() == f"AC29 {SECRET}"
    wait_until(lambda: Client.count_open() == 1)
    assert Client.most_open <= 2


# Event loops


class Async(contextlib.AbstractAsyncContextManager[None]):
    """A client that belongs to an event loop."""

    closed_in: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        """Remember the loop."""
        self.loop = asyncio.get_running_loop()

    async def __aexit__(self, *_error: object) -> None:
        """Note in which loop it was closed."""
        self.closed_in.append(asyncio.get_running_loop())

    async def aclose(self) -> None:
        """Take a while."""
        await asyncio.sleep(0)
        await self.__aexit__()


class AsyncSms(SharingSms):
    """A provider with clients for asynchronous code, and one for any."""

    @shared_client(close=lambda client: Async.closed_in.append(client.loop))
    def other(self) -> Async:
        """Make a client that is closed at once."""
        return Async()

    @shared_client
    def remote(self) -> Async:
        """Make a client of this loop."""
        return Async()


@pytest.mark.django_db(transaction=True)
def test_a_client_of_an_event_loop_is_shared_within_that_loop() -> None:
    """Each loop has its own, closed in it; a client of no loop is shared by all."""
    row = declare(AsyncSms)
    Async.closed_in.clear()

    async def collect() -> tuple[Any, Any]:
        plugins: list[Any] = [await aget_plugin(AbstractSms) for _ in range(2)]
        assert plugins[0].remote is plugins[1].remote
        assert plugins[0].remote.loop is plugins[0].other.loop is asyncio.get_running_loop()
        await sync_to_async(connections.close_all)()  # that of asgiref's thread, which outlives the test
        return plugins[0].remote, plugins[0].client

    loop = asyncio.new_event_loop()
    first, client = loop.run_until_complete(collect())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    wait_until(loop.is_running)
    second, same = asyncio.run(collect())
    assert first is not second
    assert client is same is use()
    wait_until(lambda: len(Async.closed_in) == 2)  # those of the loop which is over
    change(row, "AC2")
    assert use() is not client
    wait_until(lambda: len(Async.closed_in) == 4)
    assert Async.closed_in[2:] == [loop, loop]
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


# Processes


FORK = """
import os, sys
import django
django.setup()
from tests.clients.plugins import Client, SharingSms
from tests.support.plugins import ProviderConfig
from django_plugin_system import clients

plugin = SharingSms(ProviderConfig.model_validate({"accountName": "AC1", "token": "t"}))
plugin.client.report = True
first = plugin.client
child = os.fork()
if not child:
    assert plugin.client is not first
    plugin.client.report = True
    print("child", first.is_closed, flush=True)
    sys.exit()
os.waitpid(child, 0)
print("parent", first.is_closed, plugin.client is first, flush=True)
"""


def test_a_fork_makes_its_own_clients_and_both_close_theirs_at_the_end() -> None:
    """A child neither uses nor closes its parent's client; at the end of a process, all of its own are closed."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout.splitlines() == ["child False", "closed", "parent False True", "closed"]


HANGING = """
import django, time
django.setup()
from tests.clients.plugins import Client, SharingSms
from tests.support.plugins import ProviderConfig
from django_plugin_system import clients

clients.CLOSE_ALL_LIMIT = 0.2
Client.close = lambda client: time.sleep(3600)
plugin = SharingSms(ProviderConfig.model_validate({"accountName": "AC1", "token": "t"}))
assert plugin.client
"""


def test_a_client_that_hangs_keeps_no_process_from_ending() -> None:
    """The end waits for a while only."""
    subprocess.run([sys.executable, "-c", HANGING], check=True, env={**os.environ}, timeout=60)


def test_no_secret_is_in_what_clients_are_found_by() -> None:
    """The cache knows a configuration by a digest, whose key is known to this process only."""
    declare()
    assert use().account == "AC1"
    plugin: Any = get_plugin(AbstractSms)
    [line] = clients._lines.values()  # noqa: SLF001 - looked through
    shown = repr([clients._lines, vars(line[0]), clients.failures, plugin._origin])  # noqa: SLF001 - looked through
    assert SECRET not in shown


def test_any_class_may_have_a_shared_client() -> None:
    """A class without a configuration has a client for each object."""

    class Bare:
        @shared_client
        def client(self) -> Client:
            """Make a client."""
            return Client(ProviderConfig.model_validate({"accountName": "AC1", "token": "t"}))

    bare = Bare()
    assert bare.client is bare.client
