"""Shorthands: run the two commands, and write documents for them."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.management import CommandError, call_command

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.plugin import ConfigurablePlugin
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.support.plugins import AbstractSms, declare_item
from tests.support.rows import get_item

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

KEPT = {"$redacted": True}


@dataclass
class Ran:
    """What a command wrote, and the error that it ended with, if any."""

    out: str
    err: str
    error: str = ""

    @property
    def everything(self) -> str:
        """All that a person at the terminal may see."""
        return self.out + self.err + self.error

    @property
    def problems(self) -> list[str]:
        """The lines of the list of problems."""
        return [line.removeprefix("- ") for line in self.err.splitlines() if line.startswith("- ")]


def run(command: str, *args: str) -> Ran:
    """Run a command of the package."""
    out, err = io.StringIO(), io.StringIO()
    error = ""
    try:
        call_command(command, *args, stdout=out, stderr=err)
    except CommandError as raised:
        error = str(raised)
    return Ran(out.getvalue(), err.getvalue(), error)


def export(*args: str) -> list[dict[str, Any]]:
    """Return the instances that ``pluginexport`` writes."""
    ran = run("pluginexport", *args)
    assert not ran.error
    document: dict[str, Any] = json.loads(ran.out)
    return list(document["instances"])


def write(folder: Path, *entries: Any, **others: Any) -> str:
    """Write a document with ``entries`` and return its name."""
    document = {"format": "django-plugin-system", "version": 1, "instances": list(entries), **others}
    path = folder / "document.json"
    path.write_text(json.dumps(document))
    return str(path)


def run_import(folder: Path, *entries: Any, args: tuple[str, ...] = ()) -> Ran:
    """Import ``entries``."""
    return run("pluginimport", write(folder, *entries), *args)


def make_entry(name: str = "main", item: str = "provider", **values: Any) -> dict[str, Any]:
    """Return an entry for an instance of an item."""
    return {"type": "sms", "manager": "apps.sms", "item": item, "module": "apps.items", "name": name, **values}


def make_plugin(schema: type[BaseModel], **attributes: Any) -> type:
    """Return a plugin class that is configured by ``schema``."""
    return type("Shape", (ConfigurablePlugin, AbstractSms), {"config_schema": schema, "send": str, **attributes})


def declare(schema: type[BaseModel], name: str = "shape", **attributes: Any) -> PluginItem:
    """Register an item that is configured by ``schema``, and return its row."""
    declare_item(make_plugin(schema, **attributes), name)
    sync_registered_plugins_to_db()
    return get_item(name)


def get(name: str = "main") -> PluginInstance:
    """Return the instance of that name."""
    return PluginInstance.objects.get(name=name)
