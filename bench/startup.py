"""How long a project takes to start: with the package, without it, and without it but with a model of pydantic's."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from bench.compare import ROOT
from bench.machine import MIB, say

APPS = ["contenttypes", "auth", "sessions", "messages", "admin"]
SET_UP = f"""
import django
from django.conf import settings
apps = ["django.contrib." + name for name in {APPS!r}]
settings.configure(INSTALLED_APPS=[*apps, *more], SECRET_KEY="only for this measurement")
django.setup()
import resource
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""
PYDANTIC = """
from pydantic import BaseModel
class Config(BaseModel):
    account: str
"""
PROJECTS = {
    "start-up without the package": "more = []" + SET_UP,
    "start-up with pydantic": "more = []" + PYDANTIC + SET_UP,
    "start-up with the package": "more = ['django_plugin_system', 'django_jsonform']" + PYDANTIC + SET_UP,
}
"""A project with plugins has a model of pydantic's for the configuration of each, so that is what to compare with."""


def measure(rounds: int) -> dict[str, float]:
    """Start each project ``rounds`` times, in turn; print and return the seconds of the fastest start."""
    best = dict.fromkeys(PROJECTS, float("inf"))
    memory = dict.fromkeys(PROJECTS, 0)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    for _round in range(rounds):  # the first one writes the bytecode
        for name, code in PROJECTS.items():
            began = time.perf_counter()
            command = [sys.executable, "-c", code]
            done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
            best[name] = min(best[name], time.perf_counter() - began)
            memory[name] = int(done.stdout)
    for name, seconds in best.items():
        say(f"{name:40}{seconds * 1e3:>8,.0f} ms{memory[name] / MIB:>8,.0f} MiB")
    return best
