"""Keep all tenants' instances in one table, choose as the recipe does, and print what each tenant is given."""

from __future__ import annotations

import importlib
import json
from typing import Any

import django
from django.core.management import call_command


def share() -> dict[str, str]:
    """Return the account that each schema is given: acme has one of its own."""
    from django_tenants.utils import schema_context  # noqa: PLC0415 - Django must be set up first

    from django_plugin_system.models import PluginInstance, PluginItem  # noqa: PLC0415 - as above
    from tests.changes.tenants.models import Tenant  # noqa: PLC0415 - as above
    from tests.support import errands  # noqa: PLC0415 - as above

    errands.declare()
    call_command("migrate_schemas", shared=True, verbosity=0)
    for name in ("acme", "bolt"):
        Tenant.objects.create(schema_name=name)
    item = PluginItem.objects.get(name="provider")
    for scope in ("acme", ""):
        config = {"account": f"AC{scope or 'all'}", "token": "hush"}
        PluginInstance.objects.create(item=item, name="main", scope=scope, config=config)
    recipe: Any = importlib.import_module("schemas")
    given = {}
    for schema in ("acme", "bolt", "public", "acme", "bolt"):
        with schema_context(schema):
            given[schema] = recipe.get_sms("main").config.account
    return given


django.setup()
print(json.dumps(share()))  # noqa: T201 - the test runs this and reads it
