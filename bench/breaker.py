"""A provider that hangs before it fails, and many threads of two processes that want it: who walks into it, and when.

Once with another provider beside it, once alone. Then a process is killed while it sees whether the provider is back.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import pairwise
from typing import IO, cast

from django.db import connection
from django.db.models.functions import Now

from bench.breaker_project import AbstractCall
from bench.machine import describe_load, say
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem
from django_plugin_system.sync import sync_registered_plugins_to_db

PROCESSES, THREADS, QUICK_THREADS = 2, 16, 2
COOLDOWN, HANG, IN_EARNEST = 3.0, 1.0, 60
"""Seconds. A shorter measurement only shows that it works: on a busy machine, callers that start late look new."""
JITTER = 0.1
"""Seconds from a claim to the call, which is what is noted."""


def measure(seconds: int) -> None:
    """Let everybody call for so many ``seconds``, and print what was seen; exit if a bar does not hold for a minute."""
    sync_registered_plugins_to_db()
    vendor = "postgres" if connection.vendor == "postgresql" else connection.vendor
    threads = THREADS if seconds >= IN_EARNEST else QUICK_THREADS
    say(f"{vendor}, {AbstractCall.__name__}: {PROCESSES} processes of {threads} threads, a cooldown of {COOLDOWN:g} s")
    healthy = PluginInstance.objects.filter(item__name="healthy")
    holds = _check("beside another one", _call(seconds, threads))
    healthy.update(status="disable")
    PluginHealth.objects.update(unavailable_until=None, claimed_until=None, failures=0)
    holds &= _check("alone", _call(seconds, threads))
    healthy.update(status="active")
    holds &= _kill()
    say(describe_load())
    if not holds and seconds >= IN_EARNEST:
        sys.exit("The breaker let too many callers through.")


def _start(seconds: float, threads: int = 1) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "bench.breaker_caller", *map(str, (seconds, threads, COOLDOWN, HANG))]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _call(seconds: float, threads: int) -> list[float]:
    """Return when each call into the dead provider began."""
    callers = [_start(seconds, threads) for _number in range(PROCESSES)]
    for caller in callers:
        cast("IO[str]", caller.stdout).readline()  # it is ready
    for caller in callers:
        cast("IO[str]", caller.stdin).write("go\n")
        cast("IO[str]", caller.stdin).flush()
    return sorted(moment for caller in callers for moment in json.loads(caller.communicate()[0]))


def _check(case: str, moments: list[float]) -> bool:
    """Say how many walked in at first, and how long it took until the next one did, again and again."""
    late = [moment for moment in moments if moment > moments[0] + HANG]
    gaps = [second - first for first, second in pairwise(late)]
    holds = all(gap >= COOLDOWN - JITTER for gap in gaps)
    shown = ", ".join(f"{gap:.1f}" for gap in gaps) or "none"
    say(f"{case}: {len(moments) - len(late)} at first, then {len(late)}; seconds between these: {shown}")
    return holds


def _kill() -> bool:
    """Kill a prober, and measure how long its claim outlives it."""
    item = PluginItem.objects.get(name="dead")
    PluginHealth.objects.filter(item=item).update(unavailable_until=Now(), claimed_until=None, failures=1)
    prober = _start(60)
    cast("IO[str]", prober.stdout).readline()
    cast("IO[str]", prober.stdin).write("go\n")
    cast("IO[str]", prober.stdin).flush()
    while not PluginHealth.objects.filter(item=item, claimed_until__gt=Now()).exists():
        time.sleep(0.01)
    claimed = time.time()
    prober.kill()
    prober.wait()
    (found,) = _call_once(2 * COOLDOWN)
    say(f"{found - claimed:.1f} s after a prober was killed, another one came")
    return COOLDOWN - HANG <= found - claimed <= 2 * COOLDOWN


def _call_once(seconds: float) -> list[float]:
    caller = _start(seconds)
    return cast("list[float]", json.loads(caller.communicate("go\n")[0].splitlines()[-1]))[:1]
