"""When each secret of a row was stored: noted beside the config, by path, without a word about its value."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_plugin_system.config import tokens
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.config.opening import Secrets, find_markers
from django_plugin_system.config.walk import MISSING, is_same
from django_plugin_system.exceptions import Path, SecretError
from django_plugin_system.rows.config import get_binding, says_the_same

if TYPE_CHECKING:
    from django_plugin_system.models import PluginInstance
    from django_plugin_system.rows.rows import ConfiguredModel


@sensitive_variables()
def note_change(row: Any, before: Any) -> None:
    """Bring up to date what the row notes about its config, which took the place of ``before``.

    Each secret that was not there has the date of now, each that stayed or only moved keeps its own. The revision is a
    new one if the config says something else than before, so that the result of a test of the old one does not count.
    """
    old = before if isinstance(before, Mapping) else {}
    known = row.loaded.settle().values.get("secret_dates", row.secret_dates)
    was, opened = _open_all(row, old), _open_all(row, row.config)
    origins = _find_origins(was, opened)
    now = timezone.now().astimezone(dt.timezone.utc).isoformat(timespec="seconds")
    dates = {join_path(path): now if origin is None else _get_date(known, origin) for path, origin in origins.items()}
    row.secret_dates = {path: date for path, date in dates.items() if date}
    if row.config != old and not (was == opened and says_the_same(row, row.config, old)):
        row.config_revision = uuid.uuid4()


def get_dates(row: PluginInstance) -> dict[Path, dt.datetime]:
    """Return when each secret of ``row`` was stored, by path; those of which it is not known are left out."""
    found = {}
    for path, _marker in find_markers(row.config):
        with suppress(ValueError):
            found[path] = dt.datetime.fromisoformat(_get_date(row.secret_dates, path))
    return {path: date for path, date in found.items() if timezone.is_aware(date)}


@sensitive_variables()
def open_readable(row: ConfiguredModel, stored: Mapping[str, Any]) -> Secrets:
    """Return the plain secrets of ``stored`` by path, without those that cannot be opened."""
    return {path: plain for path, plain in _open_all(row, stored).items() if not isinstance(plain, _Unreadable)}


def join_path(path: Path) -> str:
    """Return ``path`` as the key of its date; two different paths never have the same."""
    return json.dumps(path, separators=(",", ":"))


class _Unreadable(dict[str, Any]):
    """The marker of a secret that cannot be opened: equal only to itself."""


@sensitive_variables()
def _open_all(row: ConfiguredModel, stored: Mapping[str, Any]) -> Secrets:
    binding, keyring = get_binding(row), get_keyring()

    def open_or_keep(path: Path, marker: Any) -> Any:
        try:
            return tokens.open_marker(marker, binding, path, keyring)
        except SecretError:
            return _Unreadable(marker)

    return {path: open_or_keep(path, marker) for path, marker in find_markers(stored)}


@sensitive_variables()
def _find_origins(old: Secrets, new: Secrets) -> dict[Path, Path | None]:
    """Return where each of the secrets was before: here, elsewhere in its list, under a name that is gone, or nowhere.

    Each of the old ones is taken once, so that a copy of one that stayed counts as new.
    """
    left = dict(old)
    origins: dict[Path, Path | None] = dict.fromkeys(new)
    for path, plain in new.items():
        if is_same(left.get(path, MISSING), plain):
            origins[path] = path
            del left[path]
    for is_origin in (_is_same_place, lambda source, _path: source not in new):
        for path in [path for path, origin in origins.items() if origin is None]:
            source = next((one for one in left if is_origin(one, path) and is_same(left[one], new[path])), None)
            if source is not None:
                origins[path] = source
                del left[source]
    return origins


def _is_same_place(one: Path, other: Path) -> bool:
    """Say whether two paths differ in nothing but positions in lists."""
    return ["#" if part.isdigit() else part for part in one] == ["#" if part.isdigit() else part for part in other]


def _get_date(dates: Any, path: Path) -> str:
    date = dates.get(join_path(path)) if isinstance(dates, Mapping) else None
    return date if isinstance(date, str) else ""
