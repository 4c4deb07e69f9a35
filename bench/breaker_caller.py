"""``python -m bench.breaker_caller SECONDS THREADS COOLDOWN HANG``: call, and print when the dead one was called."""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from threading import Thread

import django
from django.db import connections


def main() -> None:
    """Call in several threads."""
    django.setup()
    project = import_module("bench.breaker_project")
    seconds, threads, cooldown, hang = map(float, sys.argv[1:])
    found: list[float] = []
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    end = time.time() + seconds

    def work() -> None:
        while time.time() < end:
            project.call_once(cooldown, hang, found.append)
            time.sleep(project.PAUSE)
        connections.close_all()

    callers = [Thread(target=work) for _number in range(int(threads))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
