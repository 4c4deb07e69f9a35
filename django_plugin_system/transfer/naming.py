"""Names of environment variables for secrets: ``SMS_TWILIO_TRANSACTIONAL_AUTH_TOKEN``, the same at every export."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING

from django_plugin_system.conf import get_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django_plugin_system.exceptions import Path
    from django_plugin_system.transfer.document import Entry

Place = tuple["Entry", "Path"]
"""A secret of an instance."""
_DIGEST_LENGTHS = (0, 8, 64)
"""How much of its digest a name gets: more, the longer another one is the same."""


def name_variables(places: Iterable[Place]) -> dict[tuple[str, Path], str]:
    """Return a variable for each secret, by ``str()`` of its entry and its path; no two have the same.

    Names that would be the same get a digest each, which does not depend on the others.
    """
    names: dict[tuple[str, Path], str] = {}
    open_places = {(str(entry), path): (entry, path) for entry, path in places}
    for length in _DIGEST_LENGTHS:
        names |= {key: _make_name(*place, length) for key, place in open_places.items()}
        used = Counter(names.values())
        open_places = {key: place for key, place in open_places.items() if used[names[key]] > 1}
    return names


def _make_name(entry: Entry, path: Path, length: int) -> str:
    words = [*map(_to_word, (entry.type, entry.item, entry.name, *path)), _make_digest(entry, path)[:length]]
    name = "_".join(filter(None, words))
    return _make_listed(f"_{name}" if not name or name[0].isdigit() else name)


def _to_word(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "_", plain.upper()).strip("_")


def _make_digest(entry: Entry, path: Path) -> str:
    key = [entry.type, entry.manager, entry.item, entry.module, entry.name, *path]
    return sha256(json.dumps(key).encode()).hexdigest().upper()


def _make_listed(name: str) -> str:
    """Return ``name``, behind the first prefix that references may have unless the settings list it as it is."""
    prefixes = [entry[:-1] for entry in get_settings().ENV_REFERENCES if entry.endswith("*")]
    return name if is_listed(name) or not prefixes else f"{prefixes[0]}{name}"


def is_listed(name: str) -> bool:
    """Say whether the settings let a reference name this variable."""
    allowed = get_settings().ENV_REFERENCES
    return any(name.startswith(entry[:-1]) if entry.endswith("*") else name == entry for entry in allowed)
