"""``tests.settings`` with the apps of the demo and of the shop: the type checker reads everything in one run."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.settings import *  # noqa: F403 - all of them
from tests.settings import INSTALLED_APPS as TESTED_APPS
from tests.settings import STORAGES as TESTED_STORAGES

DEMO = Path(__file__).parents[1] / "demo"

sys.path.append(str(DEMO))

INSTALLED_APPS = [
    *TESTED_APPS,
    *(f"apps.{path.parent.name}" for path in sorted(DEMO.glob("apps/*/__init__.py"))),
    "tests.upgrades.shop.people",
]

# What the demo's own settings make at its first run.
GATEWAY_SWIFTLINE_TOKEN_DIGEST = "digest"
GATEWAY_COURIER_KEY_DIGEST = "digest"
GATEWAY_PIGEON_LOGIN = ("", "")
MAILBOX_LOGIN = ("", "")
FILES = DEMO / "files"
STORAGES = {**TESTED_STORAGES, "receipts": TESTED_STORAGES["papers"]}
