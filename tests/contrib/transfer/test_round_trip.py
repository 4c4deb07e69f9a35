"""Export, lose everything, import with the secrets filled in: the same models, for every kind of pydantic type."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretBytes, SecretStr

from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.schema.values import is_same
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.config.helpers import SECRET
from tests.contrib.transfer.helpers import make_plugin, run
from tests.shapes.table import SHAPES, make_model
from tests.support.plugins import declare_item, declare_type
from tests.support.rows import read_raw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.django_db


def store_all() -> dict[str, PluginInstance]:
    """Store an instance of each shape, whose one field holds a value of it; return them by the names of the shapes."""
    declare_type()
    # with all defaults, there would be a second row
    models = {shape.name: make_model(replace(shape, default=...), shape.values[-1]) for shape in SHAPES}
    for name, model in models.items():
        declare_item(make_plugin(type(model)), name)
    sync_registered_plugins_to_db()
    items = {item.name: item for item in PluginItem.objects.all()}
    for name, model in models.items():
        row = PluginInstance(item=items[name], name=name, description="kept", priority=3, status="reserve")
        row.set_config(model)
        row.save()
    return get_all()


def get_all() -> dict[str, PluginInstance]:
    """Return all instances as they are stored, by name."""
    return {row.name: row for row in PluginInstance.objects.select_related("item")}


def fill(value: Any, secrets: Mapping[tuple[str, ...], Any], path: tuple[str, ...] = ()) -> Any:
    """Return a config with what was left out filled in, as an operator does it."""
    if value == {"$redacted": True}:
        secret = secrets[path]
        return secret.decode() if isinstance(secret, bytes) else secret
    if isinstance(value, dict):
        return {key: fill(item, secrets, (*path, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [fill(item, secrets, (*path, str(index))) for index, item in enumerate(value)]
    return value


def can_be_written(secret: Any) -> bool:
    """Say whether JSON can say this secret: text and numbers, but no raw bytes, and no key that is ours."""
    return "$secret" not in secret if isinstance(secret, dict) else not isinstance(secret, bytes) or is_text(secret)


def is_text(secret: bytes) -> bool:
    """Say whether bytes are UTF-8."""
    return secret.decode(errors="ignore").encode() == secret


NO_JSON = {shape.name for shape in SHAPES if shape.annotation == SecretStr | SecretBytes}
"""Text in the place of these secrets is another kind of secret."""


@pytest.mark.parametrize("kind", ["json", "yaml"])
def test_everything_comes_back(folder: Path, kind: str) -> None:
    """What was exported is imported into an empty database, and is what it was; the document holds no secret."""
    rows = store_all()
    exported = run("pluginexport", "--format", kind)
    assert not exported.error
    assert SECRET not in exported.everything
    (folder / "document").write_text(exported.out)
    assert run("pluginimport", "document", "--format", kind).out.endswith(f"Unchanged: {len(SHAPES)}.\n")
    secrets = {name: row.open_secrets() for name, row in rows.items()}
    lost = {name for name in rows if all(map(can_be_written, secrets[name].values()))} - NO_JSON
    document = json.loads(run("pluginexport").out)
    for entry in document["instances"]:
        if entry["name"] in lost:
            entry["config"] = fill(entry["config"], secrets[entry["name"]])
    (folder / "filled.json").write_text(json.dumps(document))
    PluginInstance.objects.filter(name__in=lost).delete()
    ran = run("pluginimport", "filled.json")
    assert not ran.error, ran.everything
    assert f"Created: {len(lost)}" in ran.out
    back = get_all()
    assert SECRET not in ran.everything + "".join(read_raw(row.pk) for row in back.values())
    for name, row in back.items():
        assert (row.description, row.priority, row.status) == ("kept", 3, "reserve")
        assert is_same(row.load_config(), rows[name].load_config()), name
        assert row.load_config() == rows[name].load_config(), name
    assert run("pluginexport", "--format", kind).out == exported.out
