"""``tests.settings`` for processes that a test starts: the keys come from the environment."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403 - all of them

PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": os.environ["TEST_ENCRYPTION_KEYS"].split()}
