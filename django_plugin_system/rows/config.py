"""One row's configuration, read and written through the codec of its class; and when each secret of it was stored."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from pydantic import BaseModel

from django_plugin_system import exceptions
from django_plugin_system.config.codec import Codec, Kept, Parsed
from django_plugin_system.config.encoding import UNBOUND, find_belongings
from django_plugin_system.config.json_tree import look_up, walk_json
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.opened import Opened, identify, iter_markers, open_config
from django_plugin_system.config.references import Resolver, parse_given, read_reference
from django_plugin_system.config.tokens import Place, is_marker
from django_plugin_system.config.undeclared import is_below
from django_plugin_system.rows.traceback_safety import leaving_frames_behind
from django_plugin_system.schema.tree import get_tree
from django_plugin_system.schema.values import find_secrets, get_part, is_same, iter_secrets, iter_texts

if TYPE_CHECKING:
    from django_plugin_system.exceptions import Path
    from django_plugin_system.models import PluginInstance
    from django_plugin_system.plugin import ItemConfig
    from django_plugin_system.rows.rows import ConfiguredModel

TABLE = "django_plugin_system.plugininstance"
"""What the tokens of this table are bound to, beside the row, its item, its scope, the version and the path."""


class Stored(NamedTuple):
    """A configuration as it is stored, with what its tokens are bound to beside the row."""

    config: Any
    config_version: int
    item_id: Any
    scope: Any


def make_place(row_id: Any, item_id: Any, scope: str, version: int) -> Place:
    """Return where the tokens of a row belong."""
    return Place(TABLE, str(row_id), str(item_id), scope, version)


def _get_place(row: ConfiguredModel, version: int, item_id: Any = None, scope: str | None = None) -> Place:
    """Return where the tokens of ``row`` belong, or did while it was that of another item or scope."""
    fields: Any = row._meta
    item_id = fields.get_field("item").to_python(item_id or row.item_id)
    return make_place(fields.pk.to_python(row.pk), item_id, row.scope if scope is None else scope, version)


def require_declared(row: ConfiguredModel) -> ItemConfig:
    """Return what the class of ``row`` declares of its configuration.

    :raises PluginNotRegistered: if its code is gone.
    """
    declared: ItemConfig | None = row.item.declared
    if declared is None:
        raise exceptions.PluginNotRegistered(str(row))
    return declared


def require_codec(row: ConfiguredModel, stored: int = 1) -> tuple[Codec | None, Place]:
    """Return the codec of ``row``, None if its class takes no configuration, and where it stores.

    :raises PluginNotRegistered: if its code is gone.
    :raises NewerConfigVersion: if the row, or what is ``stored`` of it, is of a newer version than the code.
    """
    plugin_class, schema, version = require_declared(row)
    newest = max(row.config_version, stored)
    if newest > version:
        raise exceptions.NewerConfigVersion(str(row), newest, version)
    place = _get_place(row, version)
    return (None if schema is None else Codec(schema, place, get_keyring(), str(row), plugin_class)), place


def is_older(row: ConfiguredModel) -> bool:
    """Say whether the config of ``row`` is of an older version than its class."""
    declared: ItemConfig | None = row.item.declared
    return declared is not None and row.config_version < declared.version


def needs_previous(row: ConfiguredModel, data: Any) -> bool:
    """Say whether ``data`` for ``row`` has to be compared with what the row held: it has secrets that were kept."""
    declared: ItemConfig | None = row.item.declared
    is_bound = declared is not None and declared.is_bound
    return is_bound or any(is_marker(value) for _path, value in walk_json(data))


@leaving_frames_behind
def open_row(row: ConfiguredModel, stored: Stored | None = None) -> Opened:
    """Return what ``row`` stores, or what is ``stored`` of it, with those secrets in the clear that can be opened."""
    config, version, item_id, scope = stored or (row.config, row.config_version, row.item_id, row.scope)
    return open_config(config, _get_place(row, version, item_id, scope), get_keyring())


def _restore(row: ConfiguredModel, resolver: Resolver | None = None) -> tuple[Parsed | None, Opened]:
    """Return what ``row`` stores, brought to the current version; None if its class takes no configuration."""
    codec, _place = require_codec(row)
    opened = open_row(row)
    return (None if codec is None else codec.restore(opened, resolver)), opened


@leaving_frames_behind
def read_config(row: ConfiguredModel, resolver: Resolver | None = None) -> BaseModel | None:
    """Return the validated model that ``row`` stores, brought to the current version; None if its class takes none.

    :raises ConfigError: if it cannot be read: code gone, newer version, secret unreadable, no longer valid, a reference
        to what is not there.
    """
    parsed, _opened = _restore(row, resolver)
    return None if parsed is None else parsed.model


@leaving_frames_behind
def collect_hidden_texts(row: ConfiguredModel, resolver: Resolver | None = None) -> set[str]:
    """Return every text of ``row``'s configuration that must not be shown: its secrets, and what references gave.

    So are the secrets that its provider handed out last.

    :raises ConfigError: if it cannot be read, as ``read_config`` does.
    """
    parsed, _opened = _restore(row, resolver)
    if parsed is None:
        return set()
    secrets = [secret for model in (parsed.model, row.read_state()) for _path, secret in iter_secrets(model)]
    given = [parsed.resolver.get(reference) for reference in parsed.references.values()]
    return set(filter(None, iter_texts([*secrets, *parsed.secrets.values(), *given, *map(parse_given, given)])))


# Older forms


def may_hold_plain_secret(schema: type[BaseModel] | None, stored: Any) -> bool:
    """Say whether ``stored``, JSON of ``schema``, has neither a stored secret nor a reference where one is declared.

    Quick, for rotations over many rows, and on the safe side: where the members of a union declare one place
    differently, it may point at a plain value that is rightly plain. ``find_plain_secrets`` tells for certain.
    """
    found = () if schema is None else find_secrets(get_tree(schema), stored, skip=read_reference)
    return any(value is not None and not is_marker(value) for _path, value in found)


@leaving_frames_behind
def find_plain_secrets(row: ConfiguredModel) -> list[Path]:
    """Return where ``row`` holds plain text for what its class, by now, declares a secret.

    :raises ConfigError: if it cannot be read, as ``read_config`` does.
    """
    parsed, _opened = _restore(row)
    return [] if parsed is None else _find_plain(parsed)


def _find_plain(parsed: Parsed) -> list[Path]:
    paths = [path for path, _secret in iter_secrets(parsed.model) if path not in parsed.secrets]
    return [path for path in paths if look_up(parsed.data, path) and not is_below(path, parsed.references)]


def is_outdated(row: ConfiguredModel) -> bool:
    """Say whether the class of ``row``, by now, stores it otherwise: in a newer version, or with other secrets.

    A secret in plain text would be encrypted, one that became bound would be bound. What cannot be read is left alone.
    """
    declared: ItemConfig | None = row.item.declared
    if declared is None:
        return False
    if row.config_version != declared.version or declared.schema is None:
        return bool(row.config_version < declared.version)
    tree = get_tree(declared.schema)
    if not tree.is_bound and not tree.tags and not may_hold_plain_secret(declared.schema, row.config):
        return False
    with suppress(exceptions.ConfigError):
        parsed: Any
        parsed, opened = _restore(row)
        belongings = find_belongings(parsed.model, tree)
        bonds = {path: belongings.get(path, UNBOUND).bonds for path in parsed.secrets}
        return bool(_find_plain(parsed)) or any(opened.tokens[path].bonds != bonds[path] for path in bonds)
    return False


@leaving_frames_behind
def make_current(row: ConfiguredModel) -> tuple[Opened, Opened]:
    """Return what ``row`` stores, and the same as its class stores it today, references as they are.

    :raises ConfigError: if it cannot be read; ``row`` is not touched.
    """
    codec, place = require_codec(row)
    opened = open_row(row)
    return opened, Opened({}, place, {}) if codec is None else codec.store(codec.restore(opened), opened)


@leaving_frames_behind
def open_current(row: ConfiguredModel) -> Opened:
    """Return what ``row`` stores, brought to the version of its class if possible; nothing if it is no object."""
    if not isinstance(row.config, dict):  # raw SQL left something else there
        return Opened({}, _get_place(row, row.config_version), {})
    with suppress(exceptions.ConfigError):
        if is_older(row):
            return make_current(row)[1]
    return open_row(row)


# Writing


@leaving_frames_behind
def make_stored(
    row: ConfiguredModel, data: Mapping[str, Any] | BaseModel, previous: Stored | None
) -> tuple[Opened, Opened]:
    """Return what there was before, and ``data`` in stored form; a secret that does not change keeps its token.

    A model that has what a reference of ``previous`` gives keeps the reference. Without ``previous``, what was before
    is what stands encrypted in ``data``.

    :raises ConfigError: if it cannot be stored; ``row`` is not touched.
    """
    codec, place = require_codec(row, previous.config_version if previous else 1)
    nothing = Opened({}, place, {})
    before = open_row(row, previous) if previous else None
    if codec is None:
        if data:
            problem = f"{row.item.plugin_class.__qualname__} takes no configuration"
            raise exceptions.InvalidConfig(str(row), [exceptions.FieldProblem((), problem)])
        return before or nothing, nothing
    parsed = codec.parse(data, before)
    if isinstance(data, BaseModel) and before and before.references:
        parsed = _keep_references(codec, parsed, before)
    return before or parsed.given or nothing, codec.store(parsed, before)


def _keep_references(codec: Codec, parsed: Parsed, before: Opened) -> Parsed:
    """Return ``parsed``, which came as a model, with the references of ``before`` whose values it still has."""
    try:
        former = codec.restore(before)
    except exceptions.ConfigError:
        return parsed
    kept = {
        path: reference
        for path, reference in former.references.items()
        if is_same(get_part(former.model, path), get_part(parsed.model, path))
    }
    return replace(parsed, references=kept, resolver=former.resolver, data=former.data)


# Comparing


@leaving_frames_behind
def says_the_same(row: ConfiguredModel, one: Stored, other: Stored) -> bool:
    """Say whether two stored configs of ``row`` hold the same values, however their secrets are encrypted."""
    ours, theirs = open_row(row, one), open_row(row, other)
    return not ours.failures and not theirs.failures and bool(ours.data == theirs.data)


# When each secret was stored: noted beside the config, by path, without a word about its value


@sensitive_variables()
def note_dates(row: Any, before: Opened, after: Opened) -> None:
    """Bring up to date what the row notes about its config, which is ``after`` now.

    Each secret that was not there has the date of now, each that stayed or only moved keeps its own. The revision is a
    new one if the config says something else than before, or of another item or scope: the result of a test, and the
    state, of the old one do not count.
    """
    known = row.loaded.settle().values.get("secret_dates", row.secret_dates)
    former: dict[Any, list[Path]] = {}
    for path, plain in before.secrets.items():
        former.setdefault(identify(plain), []).append(path)
    row.secret_dates = {}
    found = {path: former.get(identify(plain), []) for path, plain in after.secrets.items()}
    for path in sorted(found, key=lambda path: path not in found[path]):
        sources = found[path]  # each is taken once: a copy of one that stayed is new
        source = path if path in sources else sources[0] if sources else None
        if source is not None:
            sources.remove(source)
        if date := _get_now() if source is None else _get_date(known, source):
            row.secret_dates[join_path(path)] = date
    if before.data != after.data or before.place._replace(version=after.place.version) != after.place:
        row.config_revision = uuid.uuid4()


def note_typed(row: PluginInstance, config: Mapping[str, Any]) -> None:
    """Give each secret that was typed into ``config`` the date of now, also where it is the one that was stored.

    Whoever may type and look at dates could tell a secret by them otherwise: copy it, and guess at the copies.
    """
    for path, _marker in iter_markers(row.config):
        if not any(is_marker(given) or isinstance(given, Kept) for given in look_up(config, path)):
            row.secret_dates[join_path(path)] = _get_now()
            row.config_revision = uuid.uuid4()


def _get_now() -> str:
    return timezone.now().astimezone(dt.timezone.utc).isoformat(timespec="seconds")


def get_dates(row: PluginInstance) -> dict[Path, dt.datetime]:
    """Return when each secret of ``row`` was stored, by path; those of which it is not known are left out."""
    found = {}
    for path, _marker in iter_markers(row.config):
        with suppress(ValueError):
            found[path] = dt.datetime.fromisoformat(_get_date(row.secret_dates, path))
    return {path: date for path, date in found.items() if timezone.is_aware(date)}


def join_path(path: Path) -> str:
    """Return ``path`` as the key of its date; two different paths never have the same."""
    return json.dumps(path, separators=(",", ":"))


def _get_date(dates: Any, path: Path) -> str:
    date = dates.get(join_path(path)) if isinstance(dates, Mapping) else None
    return date if isinstance(date, str) else ""
