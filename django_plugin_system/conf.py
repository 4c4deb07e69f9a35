"""The ``PLUGIN_SYSTEM`` setting as one typed, validated, lazily read object."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from django.conf import settings

from django_plugin_system.exceptions import InvalidSetting

NAME = "PLUGIN_SYSTEM"
MIN_TOKEN_LENGTH = 16


@dataclass(frozen=True)
class PluginSystemSettings:
    """What a project may set. Times are in seconds."""

    ENCRYPTION_KEYS: tuple[str, ...] = field(default=(), repr=False)
    """Base64 keys of 32 bytes: the first encrypts, all decrypt. Empty: derived from ``SECRET_KEY``."""
    MAX_STALENESS: float = 0
    """How old a selection may be before the changes are read again; 0 reads them at every call."""
    MAX_CACHED_INSTANCES: int = 20_000
    """How many instances one process may keep in memory for its selections; the least recently used go first."""
    MAX_COOLDOWN: float = 900
    """How long the cooldown of an instance grows that fails again and again, unless a caller asks for a longer one."""
    AUTODISCOVER: bool = True
    """Import ``plugins.py`` of every installed app at start-up."""
    BLOCK_IN_TESTS: bool = False
    """Let no real plugin be built in a test run."""
    WARN_LEGACY: bool = False  # RemovedInPluginSystem30Warning
    """Warn now about calls that 3.0 removes."""  # RemovedInPluginSystem30Warning
    ENV_REFERENCES: tuple[str, ...] = ()
    """Environment variables that a configuration may refer to; ``TWILIO_*`` allows all that start so."""
    FILE_REFERENCES: tuple[str, ...] = ()
    """Directories whose files a configuration may refer to."""
    REFERENCES: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """Other kinds of references: by name, a ``BACKEND`` with ``OPTIONS``, and which names it may be asked for."""
    EMAIL_BACKENDS: tuple[str, ...] = ()
    """Classes that instances of the item ``backend`` of ``contrib.email`` may send with."""
    STORAGE_DIRECTORIES: tuple[str, ...] = ()
    """Directories, beside ``MEDIA_ROOT``, in which instances of ``contrib.storage`` may keep files."""
    HEALTH_TOKEN: str = field(default="", repr=False)
    """What a load balancer sends to ``plugins_health``; empty: only users with the permission may ask."""
    SCHEMA_DIRECTORY: str | os.PathLike[str] | None = None
    """Where ``pluginschema`` keeps its snapshots; beside the code of each app if it is not set."""
    INSTANCES: tuple[str, ...] = ()
    """Files that declare instances: ``manage.py pluginapply`` writes them."""

    @cached_property
    def reference_kinds(self) -> frozenset[str]:
        """The keys that always mean a reference, so that no other object may use them."""
        return frozenset(("$env", "$file", *(f"${name}" for name in self.REFERENCES)))


class _Rule(NamedTuple):
    """Which values of a setting can be used, and what to write instead of others."""

    accepts: Callable[[Any], bool]
    wanted: str


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?\Z", re.ASCII)


def _is_list_of(is_fit: Callable[[Any], object]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(is_fit, value))


def _is_number_of_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


_STORE = re.compile(r"(?!env\Z|file\Z|secret\Z)[a-z][a-z0-9_]*\Z", re.ASCII)
_STORE_NAME = re.compile(r"[^*\0]+\*?\Z")


def _is_store(name: Any, given: Any) -> bool:
    return (
        isinstance(name, str)
        and _STORE.match(name) is not None
        and isinstance(given, dict)
        and given.keys() <= {"BACKEND", "ALLOW", "OPTIONS"}
        and isinstance(given.get("BACKEND"), str)
        and _is_list_of(lambda entry: isinstance(entry, str) and _STORE_NAME.match(entry))(given.get("ALLOW"))
        and isinstance(given.get("OPTIONS", {}), dict)
    )


def _is_directory(value: Any) -> bool:
    if not isinstance(value, (str, PurePath)) or "\x00" in str(value):
        return False
    normal = Path(os.path.normpath(value))
    return normal.is_absolute() and normal != normal.parent  # only the root is its own parent


_FLAG = _Rule(lambda value: isinstance(value, bool), "must be True or False")
_DIRECTORIES = _Rule(_is_list_of(_is_directory), "must be a list of absolute directories, and none of them the root")
_RULES = {
    "ENCRYPTION_KEYS": _Rule(
        _is_list_of(lambda key: isinstance(key, str)), "must be a list of strings, as manage.py pluginkey prints them"
    ),
    "MAX_STALENESS": _Rule(_is_number_of_seconds, "must be a number of seconds, 0 or more"),
    "MAX_COOLDOWN": _Rule(_is_number_of_seconds, "must be a number of seconds, 0 or more"),
    "MAX_CACHED_INSTANCES": _Rule(
        lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        "must be a whole number, 0 or more",
    ),
    "AUTODISCOVER": _FLAG,
    "BLOCK_IN_TESTS": _FLAG,
    "WARN_LEGACY": _FLAG,  # RemovedInPluginSystem30Warning
    "ENV_REFERENCES": _Rule(
        _is_list_of(lambda name: isinstance(name, str) and _VARIABLE.match(name)),
        "must be a list of names of environment variables; a name may end in *, as TWILIO_*, but * alone is too much",
    ),
    "FILE_REFERENCES": _DIRECTORIES,
    "STORAGE_DIRECTORIES": _DIRECTORIES,
    "REFERENCES": _Rule(
        lambda given: isinstance(given, dict) and all(_is_store(name, store) for name, store in given.items()),
        "must be a dict by name, in lower case, of dicts with BACKEND, a dotted path, ALLOW, a list of names that may "
        "end in * as shop/*, and perhaps OPTIONS, a dict",
    ),
    "EMAIL_BACKENDS": _Rule(
        _is_list_of(
            lambda path: isinstance(path, str) and "." in path and not path.startswith("django_plugin_system.")
        ),
        "must be a list of paths of classes, as django.core.mail.backends.smtp.EmailBackend, our own not among them",
    ),
    "HEALTH_TOKEN": _Rule(
        lambda token: isinstance(token, str) and (not token or len(token) >= MIN_TOKEN_LENGTH),
        f"must be a text of at least {MIN_TOKEN_LENGTH} characters, or empty",
    ),
    "SCHEMA_DIRECTORY": _Rule(
        lambda path: path is None or (isinstance(path, (str, os.PathLike)) and PurePath(path).is_absolute()),
        "must be the absolute path of a directory, or None",
    ),
    "INSTANCES": _Rule(
        _is_list_of(lambda path: isinstance(path, (str, os.PathLike)) and PurePath(path).is_absolute()),
        "must be a list of absolute paths of files",
    ),
}


def find_setting_problems() -> list[InvalidSetting]:
    """Return what is wrong with ``PLUGIN_SYSTEM``, one error for each key; an empty list when all is well."""
    raw = getattr(settings, NAME, {})
    if not isinstance(raw, dict):
        return [InvalidSetting(NAME, "must be a dict")]
    known = f"no such setting; there are {', '.join(_RULES)}"
    return [InvalidSetting(f"{NAME}[{key!r}]", known) for key in raw if key not in _RULES] + _find_unusable(raw)


def _find_unusable(raw: dict[str, Any]) -> list[InvalidSetting]:
    return [
        InvalidSetting(f"{NAME}[{key!r}]", rule.wanted)
        for key, rule in _RULES.items()
        if key in raw and not rule.accepts(raw[key])
    ]


@lru_cache(maxsize=1)
def get_settings() -> PluginSystemSettings:
    """Return the settings in force; an unknown key is left to the system check.

    :raises InvalidSetting: if the setting is no dict, or a key that counts has a value that cannot be used.
    """
    raw = getattr(settings, NAME, {})
    if not isinstance(raw, dict):
        raise InvalidSetting(NAME, "must be a dict")
    for problem in _find_unusable(raw):
        raise problem
    values = {key: value for key, value in raw.items() if key in _RULES}
    lists = [one.name for one in fields(PluginSystemSettings) if one.default == ()]
    values |= {key: tuple(map(str, values.get(key, ()))) for key in lists}
    return PluginSystemSettings(**values)
