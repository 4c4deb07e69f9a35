"""What a test and its worker process both can do: select, explain, write, fail over. Arguments and results are JSON."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.test.utils import override_settings

from django_plugin_system import (
    NoPluginAvailable,
    failover,
    get_plugin,
    get_plugin_instance,  # RemovedInPluginSystem30Warning
    get_plugins,
)
from django_plugin_system.exceptions import AllPluginsFailed, PluginUnavailable
from django_plugin_system.models import PluginInstance
from django_plugin_system.signals import plugin_failed, plugin_recovered
from tests.support.databases import new_alias
from tests.support.plugins import AbstractSms, ProviderSms, declare_item, declare_type
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.dispatch import Signal

_held: list[Any] = []
_overrides: list[Any] = []
_replicas: list[ExitStack] = []


def declare() -> None:
    """Register the plugins that the tests of freshness use."""
    declare_type()
    declare_item(ProviderSms)
    declare_item(ProviderSms, "other", priority=5)


def choose(name: str | None = None) -> str | None:
    """Return account and row of what is selected now, or None."""
    try:
        plugin: Any = get_plugin(AbstractSms, name=name)
    except NoPluginAvailable:
        return None
    row = plugin.plugin_instance
    return f"{row.item.name}/{row.name}/{plugin.config.account}"


def choose_in_all_ways() -> list[str | None]:
    """Return what each function selects."""
    every: list[Any] = get_plugins(AbstractSms)
    chosen = [choose(), every[0].config.account if every else None]
    legacy = get_plugin_instance("sms", "apps.sms")  # RemovedInPluginSystem30Warning
    chosen.append(legacy.config.account if legacy else None)  # RemovedInPluginSystem30Warning
    return chosen


def rename(old: str, new: str) -> None:
    """Write a row."""
    PluginInstance.objects.filter(name=old).update(name=new)


def add(name: str, priority: int) -> None:
    """Insert a row."""
    add_instance(name, priority=priority)


def begin(old: str, new: str) -> None:
    """Write a row in a transaction that stays open."""
    block = transaction.atomic()
    block.__enter__()
    _held.append(block)
    rename(old, new)


def roll_back() -> None:
    """Undo what ``begin`` wrote."""
    transaction.set_rollback(True)
    _held.pop().__exit__(None, None, None)


def commit() -> None:
    """Keep what ``begin`` wrote."""
    _held.pop().__exit__(None, None, None)


def fail(cooldown: float) -> list[str]:
    """Let every provider fail; return who was tried."""
    tried = []
    with suppress(AllPluginsFailed, NoPluginAvailable):
        for attempt in failover(AbstractSms, cooldown=cooldown):
            with attempt:
                tried.append(attempt.instance.name)
                raise PluginUnavailable
    return tried


def fail_again_and_again(calls: int) -> dict[str, int]:
    """Let every call of a failover fail; return how many providers were tried, and what was written and signalled."""
    with _watching(plugin_failed) as report:
        for _call in range(calls):
            report["tried"] += len(fail(3600))
    return report


def succeed_again_and_again(calls: int) -> dict[str, int]:
    """Let every call of a failover succeed; return what was written and signalled."""
    with _watching(plugin_recovered) as report:
        for _call in range(calls):
            with suppress(NoPluginAvailable):  # while another one probes
                for attempt in failover(AbstractSms):
                    with attempt:
                        report["tried"] += 1
    return report


@contextmanager
def _watching(signal: Signal) -> Iterator[dict[str, int]]:
    report = {"tried": 0, "signals": 0, "updates": 0}

    def count_signal(**_about: Any) -> None:
        report["signals"] += 1

    def count_update(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        result = execute(sql, *args)
        report["updates"] += sql.startswith('UPDATE "django_plugin_system_pluginhealth"')
        return result

    signal.connect(count_signal)
    with connection.execute_wrapper(count_update):
        yield report
    signal.disconnect(count_signal)


def allow_staleness(seconds: float) -> None:
    """Set MAX_STALENESS in this process; 0 takes it back."""
    if seconds:
        _overrides.append(override_settings(PLUGIN_SYSTEM={"MAX_STALENESS": seconds}))
        _overrides[-1].enable()
    else:
        _overrides.pop().disable()


def read_from(name: str) -> None:
    """Let this process read from the database ``name``, a replica; it writes to the primary, as before."""
    stack = ExitStack()
    stack.enter_context(new_alias("second", name))
    stack.enter_context(override_settings(DATABASE_ROUTERS=["tests.support.databases.LaggingRouter"]))
    _replicas.append(stack)


def read_from_primary() -> None:
    """Take ``read_from`` back."""
    _replicas.pop().close()
