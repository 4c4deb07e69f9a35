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

from django_plugin_system.config.codec import Kept
from django_plugin_system.config.json_tree import look_up
from django_plugin_system.config.opened import identify, iter_markers
from django_plugin_system.config.tokens import is_marker
from django_plugin_system.exceptions import ConfigShapeError, Path

if TYPE_CHECKING:
    from django_plugin_system.config.opened import Opened, Secrets
    from django_plugin_system.models import PluginInstance


@sensitive_variables()
def note_change(row: Any, before: Opened, after: Opened) -> None:
    """Bring up to date what the row notes about its config, which is ``after`` now.

    Each secret that was not there has the date of now, each that stayed or only moved keeps its own. The revision is a
    new one if the config says something else than before, so that the result of a test of the old one does not count.
    """
    known = row.loaded.settle().values.get("secret_dates", row.secret_dates)
    origins = _find_origins(before.secrets, after.secrets)
    now = _get_now()
    dates = {join_path(path): now if origin is None else _get_date(known, origin) for path, origin in origins.items()}
    row.secret_dates = {path: date for path, date in dates.items() if date}
    if before.data != after.data:
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
    with suppress(ConfigShapeError):
        for path, _marker in iter_markers(row.config):
            with suppress(ValueError):
                found[path] = dt.datetime.fromisoformat(_get_date(row.secret_dates, path))
    return {path: date for path, date in found.items() if timezone.is_aware(date)}


def join_path(path: Path) -> str:
    """Return ``path`` as the key of its date; two different paths never have the same."""
    return json.dumps(path, separators=(",", ":"))


@sensitive_variables()
def _find_origins(old: Secrets, new: Secrets) -> dict[Path, Path | None]:
    """Return where each of the secrets was before: here, elsewhere in its list, under a name that is gone, or nowhere.

    Each of the old ones is taken once, so that a copy of one that stayed counts as new.
    """
    values = {path: identify(plain) for path, plain in new.items()}
    left: dict[Any, list[Path]] = {}
    for path, plain in old.items():
        key = identify(plain)
        if values.get(path) != key:
            left.setdefault(key, []).append(path)
    origins = {path: path if path in old and identify(old[path]) == key else None for path, key in values.items()}
    for is_origin in (_is_same_place, lambda source, _path: source not in new):
        for path in [path for path, origin in origins.items() if origin is None]:
            sources = left.get(values[path], [])
            source = next((one for one in sources if is_origin(one, path)), None)
            if source is not None:
                origins[path] = source
                sources.remove(source)
    return origins


def _is_same_place(one: Path, other: Path) -> bool:
    """Say whether two paths differ in nothing but positions in lists."""
    return ["#" if part.isdigit() else part for part in one] == ["#" if part.isdigit() else part for part in other]


def _get_date(dates: Any, path: Path) -> str:
    date = dates.get(join_path(path)) if isinstance(dates, Mapping) else None
    return date if isinstance(date, str) else ""
