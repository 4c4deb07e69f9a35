"""One row's configuration: reads and writes it through the codec of the class that the row's item stands for."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import BaseModel

from django_plugin_system.config.bound import get_bonds, iter_bound, look_up
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
from django_plugin_system.rows.fields import StoredConfig
from django_plugin_system.rows.traceback_safety import leaving_frames_behind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django_plugin_system.plugin import ItemConfig
    from django_plugin_system.rows.rows import ConfiguredModel

SCOPE = "django_plugin_system.plugininstance"
"""What the tokens of this table are bound to, beside the row's id and the path."""


def get_binding(row: ConfiguredModel) -> Binding:
    """Return what the tokens of ``row`` are bound to."""
    return Binding(SCOPE, str(row._meta.pk.to_python(row.pk)))  # noqa: SLF001 - Django documents _meta


def require_declared(row: ConfiguredModel) -> ItemConfig:
    """Return what the class of ``row`` declares of its configuration.

    :raises PluginNotRegistered: if its code is gone.
    """
    declared: ItemConfig | None = row.item.declared
    if declared is None:
        raise PluginNotRegistered(str(row))
    return declared


def _require_known(row: ConfiguredModel, stored: int = 1) -> ItemConfig:
    """Return what the class declares, unless ``row``, or what is ``stored`` of it, is newer than that."""
    declared = require_declared(row)
    newest = max(row.config_version, stored)
    if newest > declared.version:
        raise NewerConfigVersion(str(row), newest, declared.version)
    return declared


def check_overwritten(row: ConfiguredModel, stored: int) -> None:
    """Check that ``row``, made by hand, may be written over one that is ``stored`` with this version.

    :raises NewerConfigVersion: if that is newer than the code.
    """
    if row.item.declared is not None:
        _require_known(row, stored)


def is_older(row: ConfiguredModel) -> bool:
    """Say whether the config of ``row`` is of an older version than its class."""
    declared: ItemConfig | None = row.item.declared
    return declared is not None and row.config_version < declared.version


def _get_codec(row: ConfiguredModel, schema: type[BaseModel]) -> Codec:
    return Codec(schema, get_binding(row), get_keyring(), str(row))


class Stored(NamedTuple):
    """A configuration in its stored form, with the version it was stored in."""

    config: Mapping[str, Any] = {}
    version: int = 1


def _open_config(row: ConfiguredModel, stored: Stored | None = None) -> Parsed | None:
    """Return what ``row`` stores, or what ``stored`` says in its place; None if its class takes no configuration."""
    plugin_class, schema, version = _require_known(row)
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
    declared: ItemConfig | None = row.item.declared
    if declared is None:
        return False
    if row.config_version != declared.version or declared.schema is None:
        return bool(row.config_version < declared.version)
    if not declared.is_bound and not may_hold_plain_secret(declared.schema, row.config):
        return False
    opened = _open_config(row)
    return opened is not None and bool(_find_plain(opened) or (declared.is_bound and _is_untied(row, opened)))


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
    declared = _require_known(row, previous.version)
    if declared.schema is None:
        if data:
            problem = FieldProblem((), f"{declared.plugin_class.__qualname__} takes no configuration")
            raise InvalidConfig(str(row), [problem])
        return StoredConfig(), declared.version
    codec = _get_codec(row, declared.schema)
    parsed = codec.parse(data)
    if isinstance(data, BaseModel) and find_references(previous.config):
        parsed = _keep_references(parsed, _try_to_open(row, previous))
    stored = codec.store(parsed, previous.config)
    if declared.is_bound or parsed.entry.ties:
        _check_entered(row, codec, parsed, stored, previous)
    return StoredConfig(stored), declared.version


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
    declared: ItemConfig | None = row.item.declared
    return declared is not None and declared.is_bound


@leaving_frames_behind
def make_current(row: ConfiguredModel) -> tuple[StoredConfig, int]:
    """Return the configuration of ``row`` as its class stores it today, references as they are, with the version.

    :raises ConfigError: if it cannot be read; ``row`` is not touched.
    """
    opened = _open_config(row)
    _, schema, version = require_declared(row)
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
