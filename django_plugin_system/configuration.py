"""One row's configuration: reads and writes it through the codec of the class that the row's item stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config.codec import Codec, Secrets, open_markers
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.plain import may_hold_plain_secret
from django_plugin_system.config.tokens import Binding
from django_plugin_system.config.versions import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.config.walk import iter_secrets
from django_plugin_system.exceptions import (
    FieldProblem,
    InvalidConfig,
    NewerConfigVersion,
    Path,
    PluginNotRegistered,
    SecretError,
)
from django_plugin_system.fields import StoredConfig
from django_plugin_system.plugin import get_config_schema, get_config_version

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from django_plugin_system.rows import ConfiguredModel

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


def _require_version(row: ConfiguredModel, plugin_class: type) -> int:
    """Return the version of the class, unless the row is newer than that."""
    version = get_config_version(plugin_class)
    if row.config_version > version:
        raise NewerConfigVersion(str(row), row.config_version, version)
    return version


def _get_codec(row: ConfiguredModel, schema: type[BaseModel]) -> Codec:
    return Codec(schema, get_binding(row), get_keyring(), str(row))


class _Opened(NamedTuple):
    """A configuration as it was read: the validated model, the JSON it was made of, the secrets that were encrypted."""

    model: BaseModel
    data: Any
    secrets: Secrets


@sensitive_variables()
def _open_config(row: ConfiguredModel) -> _Opened | None:
    plugin_class = require_class(row)
    version = _require_version(row, plugin_class)
    schema = get_config_schema(plugin_class)
    if schema is None:
        return None
    codec = _get_codec(row, schema)
    opened, secrets = open_markers(row.config, codec.binding, codec.keyring)
    if row.config_version < version:
        upgraded = upgrade(plugin_class, wrap_secrets(opened, secrets), row.config_version, version)
        opened, secrets = unwrap_secrets(upgraded)
    return _Opened(codec.restore_opened(opened, secrets), opened, secrets)


@sensitive_variables()
def read_config(row: ConfiguredModel) -> BaseModel | None:
    """Return the validated model that ``row`` stores, brought to the current version; None if its class takes none.

    :raises ConfigError: if it cannot be read: code gone, newer version, secret unreadable, no longer valid.
    """
    opened = _open_config(row)
    return None if opened is None else opened.model


@sensitive_variables()
def find_plain_secrets(row: ConfiguredModel) -> list[Path]:
    """Return where ``row`` holds plain text for what its class, by now, declares a secret.

    :raises ConfigError: if it cannot be read, as ``read_config`` does.
    """
    opened = _open_config(row)
    if opened is None:
        return []
    declared = (path for path, _secret in iter_secrets(opened.model))
    return [path for path in declared if path not in opened.secrets and _is_stored(opened.data, path)]


class Outline(NamedTuple):
    """A configuration of the current version as JSON, and where its secrets are. Those are in the clear: hide them."""

    data: Any
    secret_paths: frozenset[Path]
    version: int


@sensitive_variables()
def outline_config(row: ConfiguredModel) -> Outline | None:
    """Return what ``row`` stores, brought to the current version but with no default filled in; None without a schema.

    :raises ConfigError: if it cannot be read, as ``read_config`` does.
    """
    opened = _open_config(row)
    if opened is None:
        return None
    declared = (path for path, _secret in iter_secrets(opened.model))
    return Outline(opened.data, frozenset([*declared, *opened.secrets]), get_config_version(require_class(row)))


def is_outdated(row: ConfiguredModel) -> bool:
    """Say whether the class of ``row``, by now, stores it otherwise: in a newer version, or with a secret encrypted.

    :raises ConfigError: if that takes reading it, and it cannot be read.
    """
    plugin_class = row.item.plugin_class
    if plugin_class is None:
        return False
    version = get_config_version(plugin_class)
    if row.config_version < version:
        return True
    suspicious = row.config_version == version and may_hold_plain_secret(get_config_schema(plugin_class), row.config)
    return suspicious and bool(find_plain_secrets(row))


def _is_stored(data: Any, path: Path) -> bool:
    """Say whether there is a value at ``path``; what is not stored comes from a default."""
    for step in path:
        if isinstance(data, list):
            data = dict(zip(map(str, range(len(data))), data, strict=True))
        if not isinstance(data, dict) or step not in data:
            return False
        data = data[step]
    return True


@sensitive_variables()
def make_stored(
    row: ConfiguredModel, data: Mapping[str, Any] | BaseModel, previous: Mapping[str, Any]
) -> tuple[StoredConfig, int]:
    """Return ``data`` in stored form for ``row``, with its version; secrets as in ``previous`` keep their tokens.

    :raises ConfigError: if it cannot be stored; ``row`` is not touched.
    """
    plugin_class = require_class(row)
    version = _require_version(row, plugin_class)
    schema = get_config_schema(plugin_class)
    if schema is None:
        if data:
            raise InvalidConfig(str(row), [FieldProblem((), f"{plugin_class.__qualname__} takes no configuration")])
        return StoredConfig(), version
    codec = _get_codec(row, schema)
    return StoredConfig(codec.store(codec.parse(data), previous)), version


@sensitive_variables()
def open_row_secrets(row: ConfiguredModel, stored: Mapping[str, Any]) -> Secrets:
    """Return the plain secrets of ``stored`` by path.

    :raises SecretError: if one cannot be opened.
    """
    return open_markers(stored, get_binding(row), get_keyring())[1]


@sensitive_variables()
def says_the_same(row: ConfiguredModel, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Say whether two stored configs of ``row`` hold the same values, however their secrets are encrypted."""
    try:
        opened = [open_markers(stored, get_binding(row), get_keyring())[0] for stored in (one, other)]
    except SecretError:
        return False
    return bool(opened[0] == opened[1])
