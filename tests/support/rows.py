"""Shorthands for the rows that tests work on."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from django.db import connections

from django_plugin_system.conf import get_settings
from django_plugin_system.config.json_tree import look_up
from django_plugin_system.config.keyring import KeyRing, get_derived_keys, get_key_id, parse_key
from django_plugin_system.config.tokens import MARKER, get_token_key_id, seal
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem
from django_plugin_system.rows.config import open_row
from tests.support.health import set_health, take_health
from tests.support.plugins import SECRET, VALID

if TYPE_CHECKING:
    from uuid import UUID

TABLE = PluginInstance._meta.db_table
HEALTH_TABLE = PluginHealth._meta.db_table


def get_item(name: str = "provider") -> PluginItem:
    """Return the row of an item."""
    return PluginItem.objects.get(name=name)


def add_instance(name: str = "main", item: PluginItem | None = None, **values: Any) -> PluginInstance:
    """Store an instance of ``item``, the provider by default, with a valid configuration by default."""
    values.setdefault("config", VALID)
    health = take_health(values)
    made = PluginInstance.objects.create(item=item or get_item(), name=name, **values)
    set_health([made], **health)
    return made


def reload(row: PluginInstance) -> PluginInstance:
    """Return the row as another reader finds it."""
    return PluginInstance.objects.get(pk=row.pk)


def read_raw(pk: UUID, using: str = "default") -> str:
    """Return the ``config`` column as the database holds it, as text."""
    connection = connections[using]
    cast = "config::text" if connection.vendor == "postgresql" else "config"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {cast} FROM {TABLE} WHERE id = %s", [to_db_id(pk, using)])  # noqa: S608 - our table
        (text,) = cursor.fetchone()
    return str(text)


def write_raw(pk: UUID, using: str = "default", **values: Any) -> None:
    """Write columns past the ORM; a config is given as it shall stand there."""
    if "config" in values:
        values["config"] = json.dumps(values["config"])
    health = take_health(values)
    for table, key, columns in ((TABLE, "id", values), (HEALTH_TABLE, "instance_id", health)):
        names = ", ".join(f"{name} = %s" for name in columns)
        sql = f"UPDATE {table} SET {names} WHERE {key} = %s"  # noqa: S608 - our tables
        if columns:
            with connections[using].cursor() as cursor:
                cursor.execute(sql, [*columns.values(), to_db_id(pk, using)])


def write_version(row: PluginInstance, version: int, **values: Any) -> None:
    """Write ``row`` as code of another version would have stored the very same configuration, or that of ``values``."""
    opened = open_row(row)
    place = opened.place._replace(version=version)
    config = {**copy.deepcopy(dict(row.config)), **values.pop("config", {})}
    keys = [parse_key(text) for text in get_settings().ENCRYPTION_KEYS] or get_derived_keys()
    for path, sealed in opened.tokens.items():
        [marker] = look_up(config, path)
        keyring = KeyRing([key for key in keys if get_key_id(key) == get_token_key_id(marker[MARKER])])
        marker |= seal(sealed.value, place, path, keyring, config, sealed.bonds)
    write_raw(row.pk, config=config, config_version=version, **values)


def to_db_id(pk: UUID, using: str) -> Any:
    """Return a row's id as raw SQL takes it."""
    return pk if connections[using].vendor == "postgresql" else pk.hex


def assert_sealed(row: PluginInstance, secret: str = SECRET) -> None:
    """Check that the stored row holds ``secret``, and holds it encrypted."""
    assert secret not in read_raw(row.pk)
    assert secret in reload(row).open_secrets().values()
