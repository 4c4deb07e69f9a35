"""The ``PLUGIN_SYSTEM`` setting: defaults, what is refused, and that a change counts at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from django_plugin_system.conf import PluginSystemSettings, find_setting_problems, get_settings
from django_plugin_system.exceptions import InvalidSetting

if TYPE_CHECKING:
    from pytest_django import Settings


def test_everything_has_a_default(settings: Settings) -> None:
    """Without the setting, or with an empty one, the documented defaults hold."""
    settings.PLUGIN_SYSTEM = {}
    assert get_settings() == PluginSystemSettings((), 0, AUTODISCOVER=True, WARN_LEGACY=False)
    del settings.PLUGIN_SYSTEM
    assert get_settings() == PluginSystemSettings((), 0, AUTODISCOVER=True, WARN_LEGACY=False)
    assert find_setting_problems() == []


def test_what_is_set_counts_at_once(settings: Settings) -> None:
    """Values are read from the setting; a test that overrides it is heard."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["a", "b"], "MAX_STALENESS": 1.5, "WARN_LEGACY": True}
    assert get_settings() == PluginSystemSettings(("a", "b"), 1.5, AUTODISCOVER=True, WARN_LEGACY=True)
    assert get_settings() is get_settings()
    settings.PLUGIN_SYSTEM = {"AUTODISCOVER": False}
    assert not get_settings().AUTODISCOVER


def test_a_directory_is_text_or_a_path(settings: Settings, tmp_path: Path) -> None:
    """Both ways to write a path are taken."""
    for directory in (tmp_path, str(tmp_path), None):
        settings.PLUGIN_SYSTEM = {"SCHEMA_DIRECTORY": directory}
        assert directory == get_settings().SCHEMA_DIRECTORY
        assert find_setting_problems() == []


def test_keys_do_not_show(settings: Settings) -> None:
    """The repr of the settings leaves the keys out."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["a key that nobody may see"]}
    assert "nobody" not in repr(get_settings())


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("ENCRYPTION_KEYS", "one key", "must be a list of strings"),
        ("ENCRYPTION_KEYS", [b"bytes"], "must be a list of strings"),
        ("ENCRYPTION_KEYS", None, "must be a list of strings"),
        ("MAX_STALENESS", -1, "must be a number of seconds"),
        ("MAX_STALENESS", "5", "must be a number of seconds"),
        ("MAX_STALENESS", True, "must be a number of seconds"),
        ("MAX_STALENESS", float("nan"), "must be a number of seconds"),
        ("AUTODISCOVER", 1, "must be True or False"),
        ("BLOCK_IN_TESTS", None, "must be True or False"),
        ("ENV_REFERENCES", "TWILIO_*", "must be a list of names"),
        ("ENV_REFERENCES", ["*"], "must be a list of names"),
        ("ENV_REFERENCES", ["A*B"], "must be a list of names"),
        ("ENV_REFERENCES", ["A", ""], "must be a list of names"),
        ("ENV_REFERENCES", ["A B"], "must be a list of names"),
        ("ENV_REFERENCES", ["A\n"], "must be a list of names"),
        ("ENV_REFERENCES", [5], "must be a list of names"),
        ("FILE_REFERENCES", "/run/secrets", "must be a list of absolute directories"),
        ("FILE_REFERENCES", ["secrets"], "must be a list of absolute directories"),
        ("FILE_REFERENCES", ["/"], "must be a list of absolute directories"),
        ("FILE_REFERENCES", ["/run/.."], "must be a list of absolute directories"),
        ("FILE_REFERENCES", ["/run\x00"], "must be a list of absolute directories"),
        ("FILE_REFERENCES", [None], "must be a list of absolute directories"),
        *(
            ("REFERENCES", given, "must be a dict by name, in lower case, of dicts with BACKEND")
            for given in cast(
                "tuple[Any, ...]",
                (
                    [],
                    {5: {"BACKEND": "a.B", "ALLOW": []}},
                    {"Aws": {"BACKEND": "a.B", "ALLOW": []}},
                    {"env": {"BACKEND": "a.B", "ALLOW": []}},
                    {"aws": "a.B"},
                    {"aws": {"BACKEND": "a.B"}},
                    {"aws": {"ALLOW": []}},
                    {"aws": {"BACKEND": "a.B", "ALLOW": ["*"]}},
                    {"aws": {"BACKEND": "a.B", "ALLOW": [5]}},
                    {"aws": {"BACKEND": "a.B", "ALLOW": [], "OPTIONS": 5}},
                    {"aws": {"BACKEND": "a.B", "ALLOW": [], "TTL": 5}},
                ),
            )
        ),
        ("WARN_LEGACY", "yes", "must be True or False"),
        ("SCHEMA_DIRECTORY", "schemas", "must be the absolute path of a directory"),
        ("SCHEMA_DIRECTORY", "", "must be the absolute path of a directory"),
        ("SCHEMA_DIRECTORY", 5, "must be the absolute path of a directory"),
    ],
)
def test_a_wrong_value_is_named_and_not_quoted(settings: Settings, name: str, value: Any, reason: str) -> None:
    """A value of the wrong kind is refused whenever the settings are read; the message names the key only."""
    settings.PLUGIN_SYSTEM = {name: value}
    with pytest.raises(InvalidSetting) as caught:
        get_settings()
    assert str(caught.value).startswith(f"PLUGIN_SYSTEM['{name}']: {reason}")
    assert caught.value.setting == f"PLUGIN_SYSTEM['{name}']"
    assert [str(problem) for problem in find_setting_problems()] == [str(caught.value)]
    assert "one key" not in str(caught.value)


def test_an_unknown_key_is_a_problem_but_stops_nothing(settings: Settings) -> None:
    """A typing error is for the system check; the site runs on with the default."""
    settings.PLUGIN_SYSTEM = {"MAX_STALNESS": 5, "AUTODISCOVER": None}
    assert [str(problem).partition(";")[0] for problem in find_setting_problems()] == [
        "PLUGIN_SYSTEM['MAX_STALNESS']: no such setting",
        "PLUGIN_SYSTEM['AUTODISCOVER']: must be True or False",
    ]
    settings.PLUGIN_SYSTEM = {"MAX_STALNESS": 5}
    assert get_settings().MAX_STALENESS == 0


def test_the_setting_is_a_dict(settings: Settings) -> None:
    """Anything else is refused as a whole."""
    settings.PLUGIN_SYSTEM = ["ENCRYPTION_KEYS"]
    assert [str(problem) for problem in find_setting_problems()] == ["PLUGIN_SYSTEM: must be a dict"]
    with pytest.raises(InvalidSetting, match="PLUGIN_SYSTEM: must be a dict"):
        get_settings()


def test_references_are_read_as_text(settings: Settings) -> None:
    """Directories may be given as paths; what is listed comes as tuples of text."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["A", "B_*"], "FILE_REFERENCES": [Path("/run/secrets"), "/etc/app/"]}
    assert find_setting_problems() == []
    assert get_settings().ENV_REFERENCES == ("A", "B_*")
    assert get_settings().FILE_REFERENCES == ("/run/secrets", "/etc/app/")
