"""What a figure needs beside it: the machine, its load, the memory of a process."""

from __future__ import annotations

import os
import platform
import resource
import sys
from pathlib import Path

MIB = 2**20


def say(text: str) -> None:
    """Write a line, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def describe_load() -> str:
    """Return the load averages of one, five and fifteen minutes."""
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def describe_machine() -> str:
    """Return what the figures were taken on (Linux)."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown processor"
    )
    return f"{os.cpu_count()} x {model}, {platform.system()}, Python {platform.python_version()}"


def read_memory() -> int:
    """Return how many bytes of memory this process holds now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
