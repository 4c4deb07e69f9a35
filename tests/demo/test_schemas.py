"""The demo keeps snapshots of its schemas beside its code, as a project should."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.demo.running import MANAGE, manage

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sqlite


def test_every_schema_of_the_demo_is_as_its_snapshot_says(tmp_path: Path) -> None:
    """The gate passes; each app with a configurable item has its file."""
    checked = manage(tmp_path, "pluginschema", "--check")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == "Every schema is as its snapshot says: 8.\n"
    assert sorted(path.parent.name for path in MANAGE.parent.glob("apps/*/plugin_schemas.json")) == [
        "notifier_email",
        "sms_courier",
        "sms_pigeon",
        "sms_swiftline",
    ]
