"""Finding a Chromium for Playwright, and getting one: ``python -m tests.support.chromium``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

MISSING = "no Chromium found: browser tests are left out; install one, or name it in CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
SECONDS = 300
"""How long one attempt to install Chromium may take."""

_READ_PATH = "from playwright.sync_api import sync_playwright as s; p = s().start(); print(p.chromium.executable_path)"


@lru_cache(maxsize=1)
def find_chromium() -> str | None:
    """Return the path of a Chromium: the one ``CHROMIUM`` names, one on the PATH, or Playwright's own; or None."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]
    return next((path for path in named if path), None) or _find_playwrights_own()


def _find_playwrights_own() -> str | None:
    """Return Playwright's own Chromium if it is installed; asked in a process of its own, which leaves no loop here."""
    asked = subprocess.run([sys.executable, "-c", _READ_PATH], capture_output=True, text=True, check=False)
    path = asked.stdout.strip()
    return path if path and Path(path).exists() else None


def launch(playwright: Playwright) -> Browser:
    """Return a running headless browser; the caller closes it."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
