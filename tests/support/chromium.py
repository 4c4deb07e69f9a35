"""Finding a Chromium for Playwright, and getting one where there is none: ``python -m tests.support.chromium``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.missing import is_ci

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from playwright.sync_api import Browser, Page, Playwright

MISSING = "no Chromium found, so browser tests are left out; install one, or name it in CHROMIUM"
NAMES = (
    *("chromium-headless-shell", "chrome-headless-shell"),  # without windows: a third less work for the same pages
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
)
ARGUMENTS = (
    "--no-sandbox",  # tests may run as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PICTURES = os.environ.get("SCREENSHOTS")
"""The folder to put pictures into; ``make screenshots`` names that of the documentation. Without one, none is taken."""

SECONDS_TO_INSTALL = 600

_READ_PATH = "from playwright.sync_api import sync_playwright as s; p = s().start(); print(p.chromium.executable_path)"


@lru_cache(maxsize=1)
def find_chromium() -> str | None:
    """Return the path of a Chromium: the one ``CHROMIUM`` names, one on the PATH, or Playwright's own; or None."""
    named = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]
    return next((path for path in named if path), None) or _find_playwrights_own()


def launch(playwright: Playwright) -> Browser:
    """Return a running headless browser; the caller closes it."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))


def take_picture(page: Page, name: str, **options: Any) -> None:
    """Write a picture of the tab, where pictures are wanted; of 256 colours: a fourth of the size."""
    if not PICTURES:
        return
    from PIL import Image  # noqa: PLC0415 - not installed in the version matrix

    path = Path(PICTURES, f"{name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, **options)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def _find_playwrights_own() -> str | None:  # pragma: no cover - runs where the PATH has no Chromium
    """Return Playwright's own Chromium if it is installed; asked in a process of its own, which leaves no loop here."""
    asked = subprocess.run([sys.executable, "-c", _READ_PATH], capture_output=True, text=True, check=False)
    path = asked.stdout.strip()
    return path if path and Path(path).exists() else None


def _ways_to_install() -> Iterator[tuple[Sequence[str], ...]]:  # pragma: no cover - runs on a new machine only
    """Yield what may bring a Chromium, each a series of commands: Playwright's download, then the system's package."""
    yield ((sys.executable, "-m", "playwright", "install", "chromium"),)
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ("apt-get", "-qy", "install", "--no-install-recommends")
        yield ("apt-get", "-q", "update"), (*install, "chromium-headless-shell")
        yield ((*install, "chromium"),)


def _succeeds(command: Sequence[str]) -> bool:  # pragma: no cover - runs on a new machine only
    """Run ``command`` for at most ``SECONDS_TO_INSTALL`` and return whether it ended well."""
    try:
        done = subprocess.run(
            command,
            check=False,
            timeout=SECONDS_TO_INSTALL,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> int:  # pragma: no cover - what it does depends on the machine; `make test` runs it
    """Make sure there is a Chromium; return 1 if there is none and CI=true asks for one.

    With ``--check``, only look, and return 1 if there is none.
    """
    if "--check" in sys.argv:
        return int(find_chromium() is None)
    ways = _ways_to_install()
    while not find_chromium():
        way = next(ways, None)
        if way is None:
            print(MISSING)  # noqa: T201 - the line that says why tests are skipped
            return int(is_ci())
        all(_succeeds(command) for command in way)
        find_chromium.cache_clear()
    return 0


if __name__ == "__main__":  # pragma: no cover - as main
    sys.exit(main())
