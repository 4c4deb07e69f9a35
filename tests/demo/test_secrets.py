"""The seeded secrets: used in earnest, and seen nowhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.demo.running import manage

if TYPE_CHECKING:
    from tests.demo.running import Demo

pytestmark = pytest.mark.sqlite

ADMIN = "/admin/django_plugin_system"


def log_in(demo: Demo) -> None:
    """Log into the admin with what the demo printed."""
    fields = {"username": "admin", "password": demo.local["admin_password"], "next": "/admin/"}
    page = demo.post("/admin/login/", form_at="/admin/login/", **fields)
    assert page.url == f"{demo.url}/admin/"


def test_no_seeded_secret_is_seen_in_html_database_or_log(demo: Demo) -> None:
    """Every page of the front desk and the admin, the database file, its dump and the log hold none of them."""
    for purpose in ("transactional", "marketing"):
        demo.send("sms", purpose, "Look for secrets")
        demo.send("email", purpose, "Look for secrets")
    log_in(demo)
    listing = demo.get(f"{ADMIN}/plugininstance/")
    ids = sorted(set(re.findall(r"/plugininstance/([0-9a-f-]{36})/change/", listing.html)))
    assert len(ids) == 12
    paths = [f"{ADMIN}/plugininstance/{instance_id}/change/" for instance_id in ids]
    pages = [demo.get(), listing, *map(demo.get, [*paths, f"{ADMIN}/pluginitem/", f"{ADMIN}/plugintype/"])]
    assert {page.status for page in pages} == {200}
    places = {page.url: page.html for page in pages}
    places["the dump"] = manage(demo.data, "dumpdata").stdout
    places["the log"] = demo.log
    places["the database"] = (demo.data / "db.sqlite3").read_bytes().decode("latin-1")
    assert [(place, secret) for place, text in places.items() for secret in demo.secrets if secret in text] == []


def test_stored_secrets_are_tokens_of_the_demo_s_own_key(demo: Demo) -> None:
    """The database holds encrypted tokens where the secrets were."""
    assert b"dps1." in (demo.data / "db.sqlite3").read_bytes()
