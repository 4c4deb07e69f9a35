"""How many rows a second a rotation re-encrypts, and how much memory it takes.

Aim, for 100,000 rows of two secrets on two cores: 8,000 rows a second on SQLite, 5,000 on PostgreSQL, and no more
memory for more rows.
"""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from django.db import connection
from django.test import override_settings
from pydantic import BaseModel, SecretStr

from bench.machine import MIB, describe_load, read_memory, say
from django_plugin_system import ConfigurablePlugin, plugin_item, plugin_type
from django_plugin_system.config.keyring import make_key
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rotation import RotationReport, rotate_secrets, verify_secrets
from django_plugin_system.sync import sync_registered_plugins_to_db

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1_000


@plugin_type(name="bench", manager="bench")
class AbstractBench(ABC):
    """What is measured."""

    @abstractmethod
    def run(self) -> None:
        """Do nothing."""


class BenchConfig(BaseModel):
    """A configuration like many: an account, an endpoint and two secrets."""

    account: str
    endpoint: str
    token: SecretStr
    signing_key: SecretStr | None = None
    retries: int = 3


@plugin_item(AbstractBench, name="bench", module="bench")
class Bench(ConfigurablePlugin[BenchConfig], AbstractBench):
    """The class behind the rows."""

    def run(self) -> None:
        """Do nothing."""


def measure(count: int) -> None:
    """Store ``count`` rows, rotate them to a new key, rotate again (nothing to do), and verify with that key alone."""
    old, new = make_key(), make_key()
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": [old]}):
        fill(count)
    say(f"{connection.vendor}, {count:,} rows of two secrets; load before: {describe_load()}")
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": [new, old]}):
        take_time("rotate", rotate_secrets, written=count)
        take_time("rotate again", rotate_secrets, written=0)
    with override_settings(PLUGIN_SYSTEM={"ENCRYPTION_KEYS": [new]}):
        take_time("verify", verify_secrets, written=0)
    say(f"load after: {describe_load()}")


def fill(count: int) -> None:
    """Store ``count`` rows with the first key."""
    sync_registered_plugins_to_db()
    item = PluginItem.objects.get(name="bench")
    for start in range(0, count, CHUNK):
        rows = [PluginInstance(item=item, name=f"row-{number}") for number in range(start, min(start + CHUNK, count))]
        for row in rows:
            row.set_config(
                {
                    "account": row.name,
                    "endpoint": "https://api.example.com/v1/messages",
                    "token": f"{row.name:x<40}",
                    "signing_key": f"{row.name:y<40}",
                }
            )
        PluginInstance.objects.bulk_create(rows)


def take_time(name: str, run: Callable[..., RotationReport], *, written: int) -> None:
    """Run, and say how long it took, how much of that on a core of its own, and how much the memory grew."""
    before = peak = read_memory()

    def look(_report: RotationReport) -> None:
        nonlocal peak
        peak = max(peak, read_memory())

    began, worked = time.perf_counter(), time.process_time()
    report = run(on_batch=look)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    if report.rewritten != written or report.failed:
        sys.exit(f"{name} went wrong: {report}")
    speed = f"{report.rows / seconds:,.0f} rows/s"
    memory = f"{before / MIB:.0f} + {(peak - before) / MIB:.1f} MiB"
    say(f"{name:14}{seconds:6.1f} s, {worked:.1f} s of it at work {speed:>16}   memory {memory}")
