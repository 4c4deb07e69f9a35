"""Put the configuration of an entry into a row in memory: upgraded, with what was left out taken from the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.views.decorators.debug import sensitive_variables
from pydantic import SecretStr

from django_plugin_system.config.bound import look_up
from django_plugin_system.config.parts import iter_json, map_json
from django_plugin_system.config.tokens import MARKER, is_marker
from django_plugin_system.config.versions import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.exceptions import (
    ConfigError,
    FieldProblem,
    InvalidConfig,
    Path,
    SecretError,
    UnresolvedReference,
    show_path,
)
from django_plugin_system.plugin import get_config_version
from django_plugin_system.rows.config import require_class
from django_plugin_system.transfer.redaction import KEPT, claims_kept, find_plain, keep, substitute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginInstance
    from django_plugin_system.transfer.document import Entry
    from django_plugin_system.transfer.redaction import Snapshot

GIVE_IT = "give the value, or a reference to it"


@sensitive_variables()
def fit_config(row: PluginInstance, entry: Entry, before: Snapshot | None) -> list[FieldProblem]:
    """Put the config of ``entry`` into ``row``; return what is wrong with it instead, without its values.

    ``before`` is what ``row`` holds, without its secrets; None for a new row.
    """
    given = dict(entry.config or {})
    if misplaced := list(_find_misplaced(given, ())):
        return misplaced
    try:
        config = _upgrade(row, entry, given)
        source = _Source(before, config)
        filled = substitute(config, source.take)
        if not source.problems:
            row.set_config(filled)
    except ConfigError as error:
        return _describe(error)
    return source.problems


def _find_misplaced(value: Any, path: Path) -> Iterator[FieldProblem]:
    if is_marker(value):
        yield FieldProblem(path, f'"{MARKER}" is a stored secret, which opens nowhere else: {GIVE_IT}')
    elif claims_kept(value) and (value != {KEPT: True} or value[KEPT] is not True):
        yield FieldProblem(path, f'a value that was left out is written {{"{KEPT}": true}}, and nothing beside it')
    else:
        for key, item in iter_json(value):
            yield from _find_misplaced(item, (*path, key))


def _describe(error: ConfigError) -> list[FieldProblem]:
    if isinstance(error, (InvalidConfig, UnresolvedReference)):
        return list(error.errors)
    if isinstance(error, SecretError):
        return [FieldProblem(error.path, str(error).removeprefix(f"{show_path(error.path)}: "))]
    return [FieldProblem((), str(error))]


# Older documents


class _LeftOut(SecretStr):
    """Stands for a value that was left out while a document is upgraded: a step may move it, but not look into it."""

    def __init__(self, path: Path, opened: list[Path]) -> None:
        """Stand at ``path``; ``opened`` collects where a step tried to look."""
        super().__init__("")
        self._path = path
        self._opened = opened

    def get_secret_value(self) -> str:
        """Note that the value is needed.

        :raises LookupError: always.
        """
        self._opened.append(self._path)
        raise LookupError

    def __deepcopy__(self, memo: dict[int, Any]) -> _LeftOut:
        return self


@sensitive_variables()
def _upgrade(row: PluginInstance, entry: Entry, given: dict[str, Any]) -> Any:
    """Return ``given`` in the form of the current version.

    :raises ConfigError: if the code is gone, or older than the document, or a step fails.
    """
    plugin_class = require_class(row)
    known = get_config_version(plugin_class)
    version = known if entry.config_version is None else entry.config_version
    if version > known:
        reason = f"is of config version {version}, this code knows {known}: deploy the newer code first"
        raise InvalidConfig(str(row), [FieldProblem((), reason)])
    if version == known:
        return given
    plain = {path: look_up(given, path)[0] for path in find_plain(row.item.config_schema, given)}
    opened: list[Path] = []
    wrapped = substitute(wrap_secrets(given, plain), lambda path: _LeftOut(path, opened))
    failure = upgraded = None
    try:
        upgraded = upgrade(plugin_class, wrapped, version, known)
    except ConfigError as error:
        failure = error
    if opened:
        reason = f"was left out, and an upgrade from version {version} has to look at it: {GIVE_IT}"
        raise InvalidConfig(str(row), [FieldProblem(path, reason) for path in opened])
    if failure is not None:
        raise failure
    return unwrap_secrets(_restore_left_out(upgraded, ()))[0]


def _restore_left_out(value: Any, path: Path) -> Any:
    """Return ``value`` with ``{"$redacted": true}`` wherever a step put what stands for a value that was left out."""
    if isinstance(value, _LeftOut):
        return keep(path)
    return map_json(value, lambda key, item: _restore_left_out(item, (*path, key)))


# What was left out


class _Source:
    """What a row holds, to be put where a document says that it was left out."""

    def __init__(self, before: Snapshot | None, config: Any) -> None:
        """Take what the row held ``before``; ``config`` is what the document gives."""
        self.problems: list[FieldProblem] = []
        self._before = before
        self._config = config
        self._stored = None if before is None else before.stored

    def take(self, path: Path) -> Any:
        """Return what is stored at ``path``; note a problem if there is nothing, or something else may be meant."""
        found = [] if self._before is None else look_up(self._stored, path)
        if not found:
            self.problems.append(FieldProblem(path, f"was left out, and there is nothing stored to keep: {GIVE_IT}"))
            return None
        if self._is_elsewhere(path):
            reason = "was left out, and its list was changed, so that it may belong to another item"
            self.problems.append(FieldProblem(path, f"{reason}: {GIVE_IT}"))
        return found[0]

    def _is_elsewhere(self, path: Path) -> bool:
        """Say whether the first list on the way to ``path`` lost items, or has another one there than is stored."""
        before = self._before.redacted.config if self._before is not None else None
        for length in range(len(path)):
            [ours], [theirs] = look_up(self._config, path[:length]), look_up(before, path[:length])
            if isinstance(ours, list):
                item = path[: length + 1]
                return len(ours) < len(theirs) or look_up(self._config, item) != look_up(before, item)
        return False
