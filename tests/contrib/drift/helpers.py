"""Shorthands: a schema of one field, its snapshot, and what storing under one class and loading under another gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django_plugin_system.contrib.drift.describing import describe_schema
from django_plugin_system.contrib.drift.gate import Outcome, compare_items
from django_plugin_system.contrib.drift.snapshots import ItemShape
from tests.config.helpers import make_codec

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.contrib.drift.gate import Change


def snapshot(schema: type[BaseModel], version: int = 1) -> ItemShape:
    """Return the snapshot of a schema, as it comes back from its file."""
    shape = ItemShape(
        name="one",
        module="apps.one",
        type_name="sms",
        manager="apps.sms",
        config_version=version,
        root=describe_schema(schema),
    )
    return ItemShape.model_validate_json(json.dumps(shape.model_dump(mode="json", exclude_defaults=True)))


def compare(old: type[BaseModel], new: type[BaseModel]) -> list[Change]:
    """Return what changed between two schemas."""
    return compare_items(snapshot(old), snapshot(new))


def judge(old: type[BaseModel], new: type[BaseModel]) -> Outcome | None:
    """Return the outcome that counts; None for no change."""
    return max((change.outcome for change in compare(old, new)), key=list(Outcome).index, default=None)


def carry(old: type[BaseModel], new: type[BaseModel], value: Any) -> Any:
    """Return ``value`` after it was stored by a row of class ``old`` and read by one of class ``new``."""
    stored = json.loads(json.dumps(make_codec(old).store(make_codec(old).parse({"value": value}))))
    restored: Any = make_codec(new).restore(stored).model
    return restored.value
