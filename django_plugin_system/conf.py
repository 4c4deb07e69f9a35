"""The ``PLUGIN_SYSTEM`` setting as one typed, validated, lazily read object."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
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
    """How old a selection may be before the change token is read again; 0 reads it at every call."""
    AUTODISCOVER: bool = True
    """Import ``plugins.py`` of every installed app at start-up."""
    BLOCK_IN_TESTS: bool = False
    """Let no real plugin be built in a test run."""
    WARN_LEGACY: bool = False  # RemovedInPluginSystem30Warning
    """Warn now about calls that 3.0 removes."""  # RemovedInPluginSystem30Warning


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


_PROBLEM_OF = {
    "ENCRYPTION_KEYS": _keys_problem,
    "MAX_STALENESS": _staleness_problem,
    "AUTODISCOVER": _flag_problem,
    "BLOCK_IN_TESTS": _flag_problem,
    "WARN_LEGACY": _flag_problem,  # RemovedInPluginSystem30Warning
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
    values["ENCRYPTION_KEYS"] = tuple(values.get("ENCRYPTION_KEYS", ()))
    return PluginSystemSettings(**values)
