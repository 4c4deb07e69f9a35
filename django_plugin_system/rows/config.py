"""One row's configuration: reads and writes it through the codec of the class that the row's item stands for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from django_plugin_system.config.bound import declares_bound, get_bonds, iter_bound, look_up
from django_plugin_system.config.codec import Codec, Parsed
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.opening import Secrets, iter_readable, open_markers
from django_plugin_system.config.plain import may_hold_plain_secret
from django_plugin_system.config.references import find_references
from django_plugin_system.config.texts import iter_secret_texts
from django_plugin_system.config.tokens import Binding
from django_plugin_system.config.versions import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.config.walk import get_part, is_same, iter_secrets
from django_plugin_system.exceptions import (
    ConfigError,
    FieldProblem,
    InvalidConfig,
    NewerConfigVersion,
    Path,
    PluginNotRegistered,
    SecretError,
)
from django_plugin_system.plugin import get_config_schema, get_config_version
from django_plugin_system.rows.fields import StoredConfig
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_plugin_system.rows.rows import ConfiguredModel

SCOPE = "django_plugin_system.plugininstance"
"""What the tokens of this table are bound to, beside the row's id and the path."""


def get_binding(row: ConfiguredModel) -> Binding:
    """Return what the tokens of ``row`` are bound to."""
    return Binding(SCOPE, str(row._meta.pk.to_python(row.pk)))  # noqa: SLF001 - Django documents _meta


def require_class(row: ConfiguredModel) -> type:
    """Return the class that ``row`` is built from.

    :raises PluginNotRegistered: if its code is gone.
    """
    plugin_class: type | None = row.item.plugin_class
    if plugin_class is None:
        raise PluginNotRegistered(str(row))
    return plugin_class


def _require_version(row: ConfiguredModel, plugin_class: type, stored: int = 1) -> int:
    """Return the version of the class, unless the row, or what is ``stored`` of it, is newer than that."""
    version = get_config_version(plugin_class)
    newest = max(row.config_version, stored)
    if newest > version:
        raise NewerConfigVersion(str(row), newest, version)
    return version


def check_overwritten(row: ConfiguredModel, stored: int) -> None:
    """Check that ``row``, made by hand, may be written over one that is ``stored`` with this version.

    :raises NewerConfigVersion: if that is newer than the code.
    """
    plugin_class = row.item.plugin_class
    if plugin_class is not None:
        _require_version(row, plugin_class, stored)


def is_older(row: ConfiguredModel) -> bool:
    """Say whether the config of ``row`` is of an older version than its class."""
    plugin_class = row.item.plugin_class
    return plugin_class is not None and row.config_version < get_config_version(plugin_class)


def _get_codec(row: ConfiguredModel, schema: type[BaseModel]) -> Codec:
    return Codec(schema, get_binding(row), get_keyring(), str(row))


class Stored(NamedTuple):
    """A configuration in its stored form, with the version it was stored in."""

    config: Mapping[str, Any] = {}
    version: int = 1


def _open_config(row: ConfiguredModel, stored: Stored | None = None) -> Parsed | None:
    """Return what ``row`` stores, or what ``stored`` says in its place; None if its class takes no configuration."""
    plugin_class = require_class(row)
    version = _require_version(row, plugin_class)
    schema = get_config_schema(plugin_class)
    if schema is None:
        return None
    config, stored_version = stored or (row.config, row.config_version)
    codec = _get_codec(row, schema)
    opened, secrets = open_markers(config, codec.binding, codec.keyring)
    if stored_version < version:
        upgraded = upgrade(plugin_class, wrap_secrets(opened, secrets), stored_version, version)
        opened, secrets = unwrap_secrets(upgraded)
    return codec.restore_opened(opened, secrets)


@leaving_frames_behind
def read_config(row: ConfiguredModel) -> BaseModel | None:
    """Return the validated model that ``row`` stores, brought to the current version; None if its class takes none.

    :raises ConfigError: if it cannot be read: code gone, newer version, secret unreadable, no longer valid, a reference
        to what is not there.
    """
    opened = _open_config(row)
    return None if opened is None else opened.model


@leaving_frames_behind
def collect_hidden_texts(row: ConfiguredModel) -> set[str]:
    """Return every text of ``row``'s configuration that must not be shown: its secrets, and what references gave.

    :raises ConfigError: if it cannot be read, as ``read_config`` does.
    """
    opened = _open_config(row)
    if opened is None:
        return set()
    secrets = [secret for _path, secret in iter_secrets(opened.model)]
    given = [opened.resolver.get(reference) for reference in opened.references.values()]
    return set(filter(None, iter_secret_texts([*secrets, *opened.secrets.values(), *given])))


@leaving_frames_behind
def find_plain_secrets(row: ConfiguredModel) -> list[Path]:
    """Return where ``row`` holds plain text for what its class, by now, declares a secret.

    :raises ConfigError: if it cannot be read, as ``read_config`` does.
    """
    opened = _open_config(row)
    return [] if opened is None else _find_plain(opened)


def _find_plain(opened: Parsed) -> list[Path]:
    encrypted, elsewhere = opened.secrets.keys(), opened.references.keys()
    return [
        path
        for path, _secret in iter_secrets(opened.model)
        if path not in encrypted
        and look_up(opened.data, path)
        and not any(path[:end] in elsewhere for end in range(1, len(path) + 1))
    ]


def is_outdated(row: ConfiguredModel) -> bool:
    """Say whether the class of ``row``, by now, stores it otherwise: in a newer version, or with other secrets.

    A secret in plain text would be encrypted, one that became bound would be tied to its endpoint.

    :raises ConfigError: if that takes reading it, and it cannot be read.
    """
    plugin_class = row.item.plugin_class
    if plugin_class is None:
        return False
    version = get_config_version(plugin_class)
    schema = get_config_schema(plugin_class)
    if row.config_version != version or schema is None:
        return bool(row.config_version < version)
    is_bound = declares_bound(schema)
    if not is_bound and not may_hold_plain_secret(schema, row.config):
        return False
    opened = _open_config(row)
    return opened is not None and bool(_find_plain(opened) or (is_bound and _is_untied(row, opened)))


def _is_untied(row: ConfiguredModel, opened: Parsed) -> bool:
    """Say whether a secret of ``row`` is not tied to what its class, by now, binds it to."""
    wanted = {path: get_bonds(path, endpoints) for path, endpoints in iter_bound(opened.model)}
    return any(
        wanted.get(path) != (sealed.tie.bonds if sealed.tie else None)
        for path, _marker, sealed in iter_readable(row.config, get_binding(row), get_keyring())
    )


@leaving_frames_behind
def make_stored(
    row: ConfiguredModel, data: Mapping[str, Any] | BaseModel, previous: Stored
) -> tuple[StoredConfig, int]:
    """Return ``data`` in stored form for ``row``, with its version; secrets as in ``previous`` keep their tokens.

    A model that has what a reference of ``previous`` gives keeps the reference.

    :raises ConfigError: if it cannot be stored; ``row`` is not touched.
    """
    plugin_class = require_class(row)
    version = _require_version(row, plugin_class, previous.version)
    schema = get_config_schema(plugin_class)
    if schema is None:
        if data:
            raise InvalidConfig(str(row), [FieldProblem((), f"{plugin_class.__qualname__} takes no configuration")])
        return StoredConfig(), version
    codec = _get_codec(row, schema)
    parsed = codec.parse(data)
    if isinstance(data, BaseModel) and find_references(previous.config):
        parsed = _keep_references(parsed, _try_to_open(row, previous))
    stored = codec.store(parsed, previous.config)
    if declares_bound(schema) or parsed.entry.ties:
        _check_entered(row, codec, parsed, stored, previous)
    return StoredConfig(stored), version


def _try_to_open(row: ConfiguredModel, stored: Stored) -> Parsed | None:
    with suppress(ConfigError):
        return _open_config(row, stored)
    return None


def _keep_references(parsed: Parsed, before: Parsed | None) -> Parsed:
    """Return ``parsed``, which came as a model, with the references of ``before`` whose values it still has."""
    if before is None:
        return parsed
    kept = {
        path: reference
        for path, reference in before.references.items()
        if is_same(get_part(before.model, path), get_part(parsed.model, path))
    }
    return replace(parsed, references=kept, resolver=before.resolver, data=before.data)


def _check_entered(
    row: ConfiguredModel, codec: Codec, parsed: Parsed, stored: Mapping[str, Any], previous: Stored
) -> None:
    """Check that no bound secret was kept while what it is bound to was changed.

    :raises InvalidConfig: naming the secrets that have to be entered again.
    """
    past = [previous.config]
    opened = _try_to_open(row, previous) if previous.config else None
    if opened is not None:  # the same in today's form, should the code have changed since
        with suppress(ConfigError):
            past.append(codec.store(opened))
    if problems := codec.find_unentered(parsed, stored, past):
        raise InvalidConfig(str(row), problems)


def has_bound_secrets(row: ConfiguredModel) -> bool:
    """Say whether the class of ``row`` binds secrets to other fields."""
    plugin_class = row.item.plugin_class
    schema = None if plugin_class is None else get_config_schema(plugin_class)
    return schema is not None and declares_bound(schema)


@leaving_frames_behind
def make_current(row: ConfiguredModel) -> tuple[StoredConfig, int]:
    """Return the configuration of ``row`` as its class stores it today, references as they are, with the version.

    :raises ConfigError: if it cannot be read; ``row`` is not touched.
    """
    opened = _open_config(row)
    plugin_class = require_class(row)
    version = get_config_version(plugin_class)
    schema = get_config_schema(plugin_class)
    if opened is None or schema is None:
        return StoredConfig(), version
    return StoredConfig(_get_codec(row, schema).store(opened, row.config)), version


@leaving_frames_behind
def open_row_secrets(row: ConfiguredModel, stored: Mapping[str, Any]) -> Secrets:
    """Return the plain secrets of ``stored`` by path.

    :raises SecretError: if one cannot be opened.
    """
    return open_markers(stored, get_binding(row), get_keyring()).secrets


@leaving_frames_behind
def says_the_same(row: ConfiguredModel, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two stored configs of ``row`` hold the same values, however their secrets are encrypted."""
    try:
        opened = [open_markers(stored, get_binding(row), get_keyring(), anywhere=True).data for stored in (one, other)]
    except SecretError:
        return False
    return bool(opened[0] == opened[1])
