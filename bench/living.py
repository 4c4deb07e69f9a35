"""What lives at run time: clients that are shared while configurations change, and tokens that renew themselves.

Aims: 8 threads call while a configuration is changed 10,000 times, with no call on a closed client, two clients open at
most, and none left; calls through a boto3 client against moto's server are 10 times faster than with a client each;
8 processes renew a token 1,000 times, whose refresh tokens work once, with random rollbacks, and none is refused. One
after the other is killed; who takes an answer along that was not committed yet gets it back: that gap is documented.
"""

from __future__ import annotations

import logging
import random
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import boto3
from django.db import connection, connections
from moto.server import ThreadedMotoServer
from pydantic import BaseModel

from bench.claims import Claim
from bench.machine import describe_load, say
from django_plugin_system import ConfigurablePlugin, get_plugin, shared_client
from django_plugin_system.clients import close_clients
from django_plugin_system.models import PluginInstance
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.clients.plugins import Client, SharingSms
from tests.state.plugins import set_up
from tests.support.plugins import SECRET, AbstractSms, declare_item, declare_type
from tests.support.rows import add_instance, get_item
from tests.support.token_server import FIRST_REFRESH_TOKEN, TokenServer, running_token_server

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS, PROCESSES = 8, 8
FEW, QUICK_PROCESSES = 10, 2
"""So few renewals only show that this works, and two processes do."""
EXPIRES_IN = 0.02
KILLS = 20


class QueueConfig(BaseModel):
    """Where a queue is."""

    endpoint: str


class QueueSms(ConfigurablePlugin[QueueConfig], AbstractSms):
    """Uses an SDK whose clients take long to make."""

    @shared_client
    def client(self) -> Any:
        """Make a client."""
        keys = {"aws_access_key_id": "bench", "aws_secret_access_key": "bench"}
        return boto3.session.Session().client(
            "sqs", region_name="eu-central-1", endpoint_url=self.config.endpoint, **keys
        )

    def send(self, text: str) -> str:
        """Call the server."""
        return f"{text} {len(self.client.list_queues())}"


def measure(count: int) -> None:
    """Change a configuration ``count`` times, compare clients, and renew a tenth as often."""
    if connection.vendor == "sqlite":
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    declare_type()
    declare_item(SharingSms, "sharing")
    declare_item(QueueSms, "queue")
    sync_registered_plugins_to_db()
    _change_under_calls(count)
    _compare_clients(max(2, count // 200))
    _renew(max(2, count // 10))
    say(f"load {describe_load()}")


def _change_under_calls(count: int) -> None:
    row, is_over = add_instance("main", get_item("sharing")), threading.Event()
    calls: list[int] = []
    errors: list[BaseException] = []

    def call() -> None:
        done = 0
        try:
            while not is_over.is_set():
                get_plugin(AbstractSms, name="main").send("x")
                done += 1
        except BaseException as error:
            errors.append(error)
            raise
        finally:
            calls.append(done)
            connections.close_all()

    threads = [threading.Thread(target=call) for _number in range(THREADS)]
    for thread in threads:
        thread.start()
    for number in range(count):
        row.set_config({"account": f"AC{number}", "token": SECRET})
        row.save()
    is_over.set()
    for thread in threads:
        thread.join()
    close_clients()
    vendor = "postgres" if connection.vendor == "postgresql" else connection.vendor
    say(
        f"{vendor}: {count:,} changes, {sum(calls):,} calls, {len(Client.made):,} clients; calls on a closed client: "
        f"{len(errors)}; most open: {Client.most_open}; left: {Client.count_open()}"
    )


def _compare_clients(count: int) -> None:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    config = QueueConfig(endpoint=f"http://{host}:{port}")
    shared = QueueSms(config)
    taken = {
        "a client each": _time(lambda: QueueSms(config).send("x"), count),
        "a shared client": _time(lambda: shared.send("x"), count),
    }
    close_clients()
    server.stop()
    say(Claim("a client each", "a shared client", at_least=10).judge(taken))


def _time(call: Callable[[], object], count: int) -> float:
    call()
    began = time.perf_counter()
    for _number in range(count):
        call()
    return (time.perf_counter() - began) / count


def _renew(count: int) -> None:
    killed = lost = 0
    among = PROCESSES if count > FEW else QUICK_PROCESSES
    with running_token_server() as server:
        server.expires_in = EXPIRES_IN
        PluginInstance.objects.all().delete()
        set_up(server.url)
        processes = [_start() for _number in range(among)]
        while server.refreshes < count and not server.refused:
            time.sleep(EXPIRES_IN)
            if server.refreshes > killed * max(1, count // KILLS):
                lost += _kill(processes[killed % among], server)
                processes[killed % among] = _start()
                killed += 1
        refreshes, refused = server.refreshes, server.refused
        with server.lock:
            for process in processes:
                process.kill()
                process.wait()
    say(f"{refreshes:,} refreshes by {among} processes, with random rollbacks; refused: {refused}")
    say(f"{killed} of them killed, {lost} with an answer that was not committed")


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.state.renewing", "3600", str(random.random())])  # noqa: S311 - a seed


def _kill(process: subprocess.Popen[bytes], server: TokenServer) -> bool:
    """Kill a process while the server answers nobody; say whether it took the last answer along, which works again."""
    with server.lock:
        process.kill()
        process.wait()
        server.gone.add(str(process.pid))
        time.sleep(0.2)  # for PostgreSQL to do what it was asked for
        plugin: Any = get_plugin(AbstractSms)
        stored = plugin.state.refresh.get_secret_value() if plugin.state else FIRST_REFRESH_TOKEN
        is_lost = server.holder == str(process.pid) and server.current != stored
        if is_lost:
            server.current = stored
        return is_lost
