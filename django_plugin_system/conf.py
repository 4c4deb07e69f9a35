"""The ``PLUGIN_SYSTEM`` setting as one typed, validated, lazily read object."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings

from django_plugin_system.exceptions import InvalidSetting

NAME = "PLUGIN_SYSTEM"


@dataclass(frozen=True)
class PluginSystemSettings:
    """What a project may set. Times are in seconds."""

    ENCRYPTION_KEYS: tuple[str, ...] = field(default=(), repr=False)
    """Base64 keys of 32 bytes: the first encrypts, all decrypt. Empty: derived from ``SECRET_KEY``."""
    MAX_STALENESS: float = 0
    """How old a selection may be before the table of changes is read again; 0 reads it at every call."""
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
    SCHEMA_DIRECTORY: str | os.PathLike[str] | None = None
    """Where ``pluginschema`` keeps its snapshots; beside the code of each app if it is not set."""


def _keys_problem(value: object) -> str | None:
    if isinstance(value, (list, tuple)) and all(isinstance(key, str) for key in value):
        return None
    return "must be a list of strings, as manage.py pluginkey prints them"


def _staleness_problem(value: object) -> str | None:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0:
        return None
    return "must be a number of seconds, 0 or more"


def _flag_problem(value: object) -> str | None:
    return None if isinstance(value, bool) else "must be True or False"


_VARIABLES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?\Z", re.ASCII)


def _variables_problem(value: object) -> str | None:
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) and _VARIABLES.match(name) for name in value):
        return None
    return "must be a list of names of environment variables; a name may end in *, as TWILIO_*, but * alone is too much"


def _directories_problem(value: object) -> str | None:
    if isinstance(value, (list, tuple)) and all(map(_is_directory, value)):
        return None
    return "must be a list of absolute directories, and none of them the root"


def _is_directory(value: object) -> bool:
    if not isinstance(value, (str, PurePath)) or "\x00" in str(value):
        return False
    normal = Path(os.path.normpath(value))
    return normal.is_absolute() and normal != normal.parent  # only the root is its own parent


def _directory_problem(value: object) -> str | None:
    if value is None or (isinstance(value, (str, os.PathLike)) and PurePath(value).is_absolute()):
        return None
    return "must be the absolute path of a directory, or None"


_PROBLEM_OF = {
    "ENCRYPTION_KEYS": _keys_problem,
    "MAX_STALENESS": _staleness_problem,
    "AUTODISCOVER": _flag_problem,
    "BLOCK_IN_TESTS": _flag_problem,
    "WARN_LEGACY": _flag_problem,  # RemovedInPluginSystem30Warning
    "ENV_REFERENCES": _variables_problem,
    "FILE_REFERENCES": _directories_problem,
    "SCHEMA_DIRECTORY": _directory_problem,
}


def find_setting_problems() -> list[InvalidSetting]:
    """Return what is wrong with ``PLUGIN_SYSTEM``, one error for each key; an empty list when all is well."""
    raw = getattr(settings, NAME, {})
    if not isinstance(raw, dict):
        return [InvalidSetting(NAME, "must be a dict")]
    unknown = [key for key in raw if key not in _PROBLEM_OF]
    reason = f"no such setting; there are {', '.join(_PROBLEM_OF)}"
    return [InvalidSetting(f"{NAME}[{key!r}]", reason) for key in unknown] + _find_unusable(raw)


def _find_unusable(raw: dict[str, Any]) -> list[InvalidSetting]:
    found = ((key, find(raw[key])) for key, find in _PROBLEM_OF.items() if key in raw)
    return [InvalidSetting(f"{NAME}[{key!r}]", reason) for key, reason in found if reason]


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
    values = {key: value for key, value in raw.items() if key in _PROBLEM_OF}
    lists = ("ENCRYPTION_KEYS", "ENV_REFERENCES", "FILE_REFERENCES")
    values |= {key: tuple(map(str, values.get(key, ()))) for key in lists}
    return PluginSystemSettings(**values)
