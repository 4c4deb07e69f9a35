"""Older configurations are brought up to date one step at a time, with their secrets out of sight."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import Secret, SecretBytes, SecretStr

from django_plugin_system.config.validation import unwrap_secrets, upgrade, wrap_secrets
from django_plugin_system.exceptions import ConfigMigrationFailed
from tests.config.helpers import SECRET, iter_chain, show_everything
from tests.registration.plugins import Sms


class Stepping:
    """A class with two steps behind it."""

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> dict[str, Any]:
        """Note the step, in place."""
        config.setdefault("steps", []).append(from_version)
        return config


class Failing:
    """A class whose second step fails, quoting the secret."""

    @classmethod
    def migrate_config(cls, config: dict[str, Any], from_version: int) -> Any:
        """Fail."""
        if from_version == 2:
            raise KeyError(config["token"].get_secret_value())
        return config if from_version == 1 else None


def test_steps_run_one_at_a_time_and_leave_the_stored_config_alone() -> None:
    """Each step goes from one version to the next; the argument stays as it was."""
    config = {"steps": [0]}
    assert upgrade(Stepping, config, 1, 4) == {"steps": [0, 1, 2, 3]}
    assert upgrade(Stepping, config, 4, 4) == config == {"steps": [0]}


def test_a_class_without_steps_keeps_its_config() -> None:
    """Raising the version without a step changes nothing."""
    assert upgrade(Sms, {"a": 1}, 1, 3) == {"a": 1}


def test_a_step_that_fails_names_its_error_only() -> None:
    """The failing step is named by its version and the type of its error; the text, which quotes a secret, is not."""
    with pytest.raises(
        ConfigMigrationFailed, match=r"Failing\.migrate_config failed from version 2 \(KeyError\)"
    ) as caught:
        upgrade(Failing, {"token": SecretStr(SECRET)}, 1, 3)
    assert SECRET not in show_everything(caught.value)
    assert list(iter_chain(caught.value)) == [caught.value]
    assert (caught.value.plugin_class, caught.value.from_version, caught.value.error_name) == (Failing, 2, "KeyError")


def test_a_step_returns_a_dict() -> None:
    """Anything else is a failure that names what came back."""
    with pytest.raises(ConfigMigrationFailed, match="it returned NoneType, not a dict"):
        upgrade(Failing, {}, 3, 4)


def test_secrets_are_wrapped_by_kind() -> None:
    """Text becomes a SecretStr, bytes a SecretBytes, anything else a Secret; the rest is as it was."""
    opened = {"a": SECRET, "b": [b"\xff", 1], "c": {"d": {"e": SECRET}, "f": None}}
    wrapped = wrap_secrets(opened, {("a",): SECRET, ("b", "0"): b"\xff", ("c", "d"): {"e": SECRET}})
    assert wrapped == {
        "a": SecretStr(SECRET),
        "b": [SecretBytes(b"\xff"), 1],
        "c": {"d": Secret({"e": SECRET}), "f": None},
    }
    assert SECRET not in repr(wrapped)


def test_secrets_that_a_step_moved_are_found_where_they_are() -> None:
    """What is still wrapped is secret under its new path; what a step unwrapped is not."""
    moved = {"new": {"place": [SecretStr(SECRET)]}, "public": "now plain", "same": Secret(5)}
    assert unwrap_secrets(moved) == (
        {"new": {"place": [SECRET]}, "public": "now plain", "same": 5},
        {("new", "place", "0"): SECRET, ("same",): 5},
    )
