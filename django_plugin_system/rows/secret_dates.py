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
    from django_plugin_system.config.opened import Opened
    from django_plugin_system.models import PluginInstance


@sensitive_variables()
def note_change(row: Any, before: Opened, after: Opened) -> None:
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
    with suppress(ConfigShapeError):
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
