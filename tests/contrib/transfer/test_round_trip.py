"""Export, lose everything, import with the secrets filled in: the same models, for every kind of pydantic type."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretBytes, SecretStr

from django_plugin_system.models import PluginInstance
from django_plugin_system.schema.values import is_same
from tests.config.helpers import SECRET
from tests.contrib.transfer.helpers import declare, get, run
from tests.shapes.table import SHAPES, Shape, make_model
from tests.support.plugins import declare_type
from tests.support.rows import read_raw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db


def store(shape: Shape, value: Any) -> PluginInstance:
    """Store an instance whose one field holds ``value``."""
    declare_type()
    model = make_model(replace(shape, default=...), value)  # with all defaults, there would be a second row
    row = PluginInstance(item=declare(type(model)), name="main", description="kept", priority=3, status="reserve")
    row.set_config(model)
    row.save()
    return get()


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


@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_everything_comes_back(declared: Registry, folder: Path, shape: Shape, kind: str) -> None:
    """What was exported is imported into an empty database, and is what it was; the document holds no secret."""
    del declared
    row = store(shape, shape.values[-1])
    exported = run("pluginexport", "--format", kind)
    assert not exported.error
    assert SECRET not in exported.everything
    (folder / "document").write_text(exported.out)
    assert run("pluginimport", "document", "--format", kind).out.endswith("Unchanged: 1.\n")
    if shape.annotation == SecretStr | SecretBytes or not all(map(can_be_written, row.open_secrets().values())):
        return
    document = json.loads(run("pluginexport").out)
    config = document["instances"][0]["config"]
    document["instances"][0]["config"] = fill(config, row.open_secrets())
    (folder / "filled.json").write_text(json.dumps(document))
    PluginInstance.objects.all().delete()
    ran = run("pluginimport", "filled.json")
    assert not ran.error, ran.everything
    assert SECRET not in ran.everything + read_raw(get().pk)
    back = get()
    assert (back.description, back.priority, back.status) == ("kept", 3, "reserve")
    assert is_same(back.load_config(), row.load_config())
    assert back.load_config() == row.load_config()
    assert run("pluginexport", "--format", kind).out == exported.out
