"""Choose plugins for one tenant after another, and print what each of them is given."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import django
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import override_settings
from pydantic import BaseModel


class Notes(BaseModel):
    """What a provider handed out."""

    owner: str


def _keep_or_make(made: Notes, notes: Notes | None) -> Notes:
    return notes or made


def visit() -> dict[str, Any]:
    """Return the accounts that are chosen as the tenants take turns, before and after one of them is changed."""
    from django_tenants.utils import schema_context  # noqa: PLC0415 - Django must be set up first

    from django_plugin_system.changes import outside_transaction  # noqa: PLC0415 - as above
    from django_plugin_system.models import PluginInstance, PluginItem  # noqa: PLC0415 - as above
    from tests.changes.tenants.models import Tenant  # noqa: PLC0415 - as above
    from tests.support import errands  # noqa: PLC0415 - as above

    def take_turns() -> list[str | None]:
        chosen = []
        for name in ("acme", "bolt", "acme", "bolt"):
            with schema_context(name):
                chosen.append(errands.choose())
        return chosen

    errands.declare()
    call_command("migrate_schemas", shared=True, verbosity=0)
    for name in ("acme", "bolt"):
        tenant = Tenant.objects.create(schema_name=name)
        with schema_context(str(tenant)):
            config = {"account": f"AC{name}", "token": f"hush {name}"}
            PluginInstance.objects.create(item=PluginItem.objects.get(name="provider"), name="main", config=config)
    with connection.cursor() as cursor:  # as where one schema was copied from the other
        for name in ("acme", "bolt"):
            cursor.execute(f"DELETE FROM {name}.django_plugin_system_change")  # noqa: S608 - names only
            cursor.execute(f"INSERT INTO {name}.django_plugin_system_change (nonce) VALUES (5)")  # noqa: S608 - names only
    seen = {"strict": take_turns()}
    with override_settings(PLUGIN_SYSTEM={"MAX_STALENESS": 3600}):
        seen["stale"] = take_turns()
        with schema_context("bolt"):
            errands.rename("main", "other")
        seen["changed"] = take_turns()
    seen["states"] = []
    for name in ("acme", "bolt", "acme", "bolt"):
        with schema_context(name), transaction.atomic():
            store = PluginInstance.objects.get().open_state(Notes)
            made = Notes(owner=name)
            store.renew(partial(_keep_or_make, made), lambda _notes: True, 60, 30)
            transaction.set_rollback(True)
            with outside_transaction("default"):
                notes: Any = store.read()
            seen["states"].append(notes.owner)
    return seen


django.setup()
print(json.dumps(visit()))  # noqa: T201 - the test runs this and reads it
