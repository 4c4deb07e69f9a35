"""The ``PLUGIN_SYSTEM`` setting as one typed, validated, lazily read object."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings

from django_plugin_system.exceptions import InvalidSetting

NAME = "PLUGIN_SYSTEM"
MIN_TOKEN_LENGTH = 16

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?\Z", re.ASCII)
_STORE = re.compile(r"(?!env\Z|file\Z|secret\Z)[a-z][a-z0-9_]*\Z", re.ASCII)
_STORE_NAME = re.compile(r"[^*\0]+\*?\Z")


# Which values a setting may have


def _is_number(value: Any, kinds: tuple[type, ...] = (int, float)) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool) and bool(value >= 0)  # type: ignore[operator]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike)) and PurePath(value).is_absolute()


def _is_directory(value: Any) -> bool:
    if not isinstance(value, (str, PurePath)) or "\x00" in str(value):
        return False
    normal = Path(os.path.normpath(value))
    return normal.is_absolute() and normal != normal.parent  # only the root is its own parent


def _is_store(name: Any, given: Any) -> bool:
    return (
        _matches(_STORE)(name)
        and isinstance(given, dict)
        and given.keys() <= {"BACKEND", "ALLOW", "OPTIONS"}
        and _is_text(given.get("BACKEND"))
        and _is_list_of(_matches(_STORE_NAME))(given.get("ALLOW"))
        and isinstance(given.get("OPTIONS", {}), dict)
    )


def _matches(pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and pattern.match(value) is not None


def _is_list_of(is_fit: Callable[[Any], object]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, (list, tuple)) and all(map(is_fit, value))


def _setting(default: Any, accepts: Callable[[Any], bool], wanted: str, **options: Any) -> Any:
    """Return a field with the rule which values can be used, and what to write instead of others."""
    default = {"default_factory": dict} if default == {} else {"default": default}
    return field(**default, **options, metadata={"accepts": accepts, "wanted": f"must be {wanted}"})


def _flag(*, default: bool) -> Any:
    return _setting(default, lambda value: isinstance(value, bool), "True or False")


_SECONDS = "a number of seconds, 0 or more"
_DIRECTORIES = "a list of absolute directories, and none of them the root"


@dataclass(frozen=True)
class PluginSystemSettings:
    """What a project may set. Times are in seconds."""

    ENCRYPTION_KEYS: tuple[str, ...] = _setting(
        (), _is_list_of(_is_text), "a list of strings, as manage.py pluginkey prints them", repr=False
    )
    """Base64 keys of 32 bytes: the first encrypts, all decrypt. Empty: derived from ``SECRET_KEY``."""
    MAX_STALENESS: float = _setting(0, _is_number, _SECONDS)
    """How old a selection may be before the changes are read again; 0 reads them at every call."""
    MAX_CACHED_INSTANCES: int = _setting(20_000, lambda value: _is_number(value, (int,)), "a whole number, 0 or more")
    """How many instances one process may keep in memory for its selections; the least recently used go first."""
    MAX_COOLDOWN: float = _setting(900, _is_number, _SECONDS)
    """How long the cooldown of an instance grows that fails again and again, unless a caller asks for a longer one."""
    AUTODISCOVER: bool = _flag(default=True)
    """Import ``plugins.py`` of every installed app at start-up."""
    BLOCK_IN_TESTS: bool = _flag(default=False)
    """Let no real plugin be built in a test run."""
    WARN_LEGACY: bool = _flag(default=False)  # RemovedInPluginSystem30Warning
    """Warn now about calls that 3.0 removes."""  # RemovedInPluginSystem30Warning
    ENV_REFERENCES: tuple[str, ...] = _setting(
        (),
        _is_list_of(_matches(_VARIABLE)),
        "a list of names of environment variables; a name may end in *, as TWILIO_*, but * alone is too much",
    )
    """Environment variables that a configuration may refer to; ``TWILIO_*`` allows all that start so."""
    FILE_REFERENCES: tuple[str, ...] = _setting((), _is_list_of(_is_directory), _DIRECTORIES)
    """Directories whose files a configuration may refer to."""
    REFERENCES: Mapping[str, Mapping[str, Any]] = _setting(
        {},
        lambda given: isinstance(given, dict) and all(_is_store(name, store) for name, store in given.items()),
        "a dict by name, in lower case, of dicts with BACKEND, a dotted path, ALLOW, a list of names that may end in "
        "* as shop/*, and perhaps OPTIONS, a dict",
        repr=False,
    )
    """Other kinds of references: by name, a ``BACKEND`` with ``OPTIONS``, and which names it may be asked for."""
    EMAIL_BACKENDS: tuple[str, ...] = _setting(
        (),
        _is_list_of(lambda path: _is_text(path) and "." in path and not path.startswith("django_plugin_system.")),
        "a list of paths of classes, as django.core.mail.backends.smtp.EmailBackend, our own not among them",
    )
    """Classes that instances of the item ``backend`` of ``contrib.email`` may send with."""
    STORAGE_DIRECTORIES: tuple[str, ...] = _setting((), _is_list_of(_is_directory), _DIRECTORIES)
    """Directories, beside ``MEDIA_ROOT``, in which instances of ``contrib.storage`` may keep files."""
    HEALTH_TOKEN: str = _setting(
        "",
        lambda token: _is_text(token) and (not token or len(token) >= MIN_TOKEN_LENGTH),
        f"a text of at least {MIN_TOKEN_LENGTH} characters, or empty",
        repr=False,
    )
    """What a load balancer sends to ``plugins_health``; empty: only users with the permission may ask."""
    SCHEMA_DIRECTORY: str | os.PathLike[str] | None = _setting(  # noqa: RUF009 - it returns a field
        None, lambda path: path is None or _is_path(path), "the absolute path of a directory, or None"
    )
    """Where ``pluginschema`` keeps its snapshots; beside the code of each app if it is not set."""
    INSTANCES: tuple[str, ...] = _setting((), _is_list_of(_is_path), "a list of absolute paths of files")
    """Files that declare instances: ``manage.py pluginapply`` writes them."""

    @cached_property
    def reference_kinds(self) -> frozenset[str]:
        """The keys that always mean a reference, so that no other object may use them."""
        return frozenset(("$env", "$file", *(f"${name}" for name in self.REFERENCES)))


_SETTINGS = {one.name: one for one in fields(PluginSystemSettings)}


def find_setting_problems() -> list[InvalidSetting]:
    """Return what is wrong with ``PLUGIN_SYSTEM``, one error for each key; an empty list when all is well."""
    raw = getattr(settings, NAME, {})
    known = f"no such setting; there are {', '.join(_SETTINGS)}"
    unknown = [key for key in raw if key not in _SETTINGS] if isinstance(raw, dict) else []
    return [InvalidSetting(f"{NAME}[{key!r}]", known) for key in unknown] + _find_unusable(raw)


def _find_unusable(raw: Any) -> list[InvalidSetting]:
    if not isinstance(raw, dict):
        return [InvalidSetting(NAME, "must be a dict")]
    return [
        InvalidSetting(f"{NAME}[{key!r}]", one.metadata["wanted"])
        for key, one in _SETTINGS.items()
        if key in raw and not one.metadata["accepts"](raw[key])
    ]


@lru_cache(maxsize=1)
def get_settings() -> PluginSystemSettings:
    """Return the settings in force; an unknown key is left to the system check.

    :raises InvalidSetting: if the setting is no dict, or a key that counts has a value that cannot be used.
    """
    raw = getattr(settings, NAME, {})
    for problem in _find_unusable(raw):
        raise problem
    values = {key: value for key, value in raw.items() if key in _SETTINGS}
    values |= {key: tuple(map(str, values.get(key, ()))) for key, one in _SETTINGS.items() if one.default == ()}
    return PluginSystemSettings(**values)
