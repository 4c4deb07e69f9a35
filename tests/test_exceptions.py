"""The tree of errors: what each one is, what it says, and that it survives a pickle."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import NotSupportedError

from django_plugin_system import exceptions
from django_plugin_system.exceptions import (
    AllPluginsFailed,
    AmbiguousPluginType,
    ClientUnavailable,
    ConfigError,
    ConfigMigrationFailed,
    ConfigShapeError,
    ConfigWriteRefused,
    ContractBroken,
    EndpointChanged,
    FieldProblem,
    ImportRefused,
    InvalidConfig,
    InvalidConfigSchema,
    InvalidDocument,
    InvalidInterface,
    InvalidPluginChoice,
    InvalidPluginClass,
    InvalidRegistration,
    InvalidSetting,
    InvalidSnapshot,
    MalformedToken,
    NewerConfigVersion,
    NoPluginAvailable,
    PluginBlocked,
    PluginBuildError,
    PluginCredentialsRefused,
    PluginInstanceNotFound,
    PluginItemNotFound,
    PluginNotRegistered,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginSystemError,
    PluginTypeNotFound,
    PluginUnavailable,
    RegistrationConflict,
    RegistrationError,
    SecretError,
    SnapshotNotWritten,
    StaleConfig,
    StateUnavailable,
    StoredConfigInvalid,
    TamperedToken,
    UnknownKey,
    UnresolvedReference,
    UnstorableConfig,
    show_path,
)
from tests.registration.plugins import Sms

PATH = ("smtp", "0")
PROBLEMS = (FieldProblem(PATH, "is wrong"), FieldProblem((), "is missing"))
ERRORS: list[tuple[PluginSystemError, tuple[type[BaseException], ...]]] = [
    (InvalidSetting("X", "reason"), (ImproperlyConfigured,)),
    (InvalidSnapshot("x", "reason"), (ValueError,)),
    (SnapshotNotWritten("x", "reason"), (OSError,)),
    (RegistrationError("text", registered=Sms), ()),
    (InvalidInterface("text"), (RegistrationError, TypeError)),
    (InvalidPluginClass("text"), (RegistrationError, TypeError)),
    (InvalidConfigSchema("text"), (RegistrationError, TypeError)),
    (InvalidRegistration("text"), (RegistrationError, ValueError)),
    (RegistrationConflict("text", registered=Sms), (RegistrationError, ValueError)),
    (PluginTypeNotFound("x", ["y", "z"]), (KeyError, LookupError)),
    (AmbiguousPluginType(Sms, ["x", "y"]), (LookupError,)),
    (InvalidPluginChoice("x", 5), (TypeError,)),
    (PluginItemNotFound("x"), (KeyError, LookupError)),
    (PluginInstanceNotFound("x", 5), (LookupError,)),
    (NoPluginAvailable("x", ["one: reason"]), (LookupError,)),
    (PluginBuildError(Sms, "KeyError"), (RuntimeError,)),
    (InvalidConfig("x", PROBLEMS), (ConfigError, ValidationError, ValueError)),
    (StoredConfigInvalid("x", PROBLEMS), (InvalidConfig,)),
    (UnstorableConfig("x", PROBLEMS), (InvalidConfig,)),
    (PluginNotRegistered("x"), (ConfigError, LookupError)),
    (NewerConfigVersion("x", 3, 2), (ConfigError,)),
    (ConfigMigrationFailed(Sms, 1, "KeyError"), (ConfigError,)),
    (StaleConfig("x"), (ConfigError,)),
    (ConfigWriteRefused("update", ["config"]), (NotSupportedError,)),
    (ConfigShapeError(PATH, "reason"), (SecretError, ConfigError)),
    (UnknownKey(PATH, "aaaaaaaa", ["bbbbbbbb"]), (SecretError, LookupError)),
    (TamperedToken(PATH, "aaaaaaaa"), (SecretError, ValueError)),
    (MalformedToken(PATH), (SecretError, ValueError)),
    (EndpointChanged(PATH, "01234567", ["endpoint"]), (SecretError, ValueError)),
    (UnresolvedReference("x", PROBLEMS), (ConfigError, LookupError)),
    (PluginUnavailable("text", retry_after=7), (RuntimeError,)),
    (ClientUnavailable("S3.client", "OSError"), (PluginUnavailable, RuntimeError)),
    (StateUnavailable("the state of main (crm)", "reason"), (PluginUnavailable, RuntimeError)),
    (PluginCredentialsRefused("text"), (PermissionError,)),
    (PluginRejected("text"), (RuntimeError,)),
    (PluginOutcomeUnknown("text"), (RuntimeError,)),
    (InvalidDocument("line 1: reason"), (ValueError,)),
    (ImportRefused(["one: reason", "other: reason"]), (ValueError,)),
    (PluginBlocked(Sms), (AssertionError,)),
    (ContractBroken(Sms, ["one", "two"]), (AssertionError,)),
    (AllPluginsFailed("text", [ValueError("x")]), (Exception,)),
]
every_error = pytest.mark.parametrize(("error", "kinds"), ERRORS, ids=lambda value: type(value).__name__)


@every_error
def test_each_error_is_of_the_package_and_of_a_familiar_kind(
    error: PluginSystemError, kinds: tuple[type[BaseException], ...]
) -> None:
    """Callers may catch the root of the tree, or the builtin and Django errors that they know."""
    assert isinstance(error, PluginSystemError)
    for kind in kinds:
        assert isinstance(error, kind)


def describe(error: BaseException) -> tuple[Any, ...]:
    """Return what two equal errors have in common."""
    state = {key: repr(value) for key, value in vars(error).items()}
    return type(error), str(error), repr(error.args), state


@every_error
def test_each_error_pickles(error: PluginSystemError, kinds: object) -> None:
    """Task queues and process pools get the same error at the other end."""
    del kinds
    assert describe(pickle.loads(pickle.dumps(error))) == describe(error)  # noqa: S301 - our own bytes
    assert describe(copy.copy(error)) == describe(error)


def test_every_error_is_in_the_list_above() -> None:
    """No error of the module is left out of these tests."""
    tree = {
        kind
        for kind in vars(exceptions).values()
        if isinstance(kind, type) and issubclass(kind, PluginSystemError) and not kind.__name__.startswith("_")
    }
    assert tree == {type(error) for error, _kinds in ERRORS} | {PluginSystemError, ConfigError, SecretError}


def test_paths_read_like_code() -> None:
    """A path is shown with dots; an empty one is the root."""
    assert show_path(("smtp", "hosts", "0")) == "smtp.hosts.0"
    assert show_path(()) == "(root)"
    assert show_path(("tokens", "a\x1b[2K\nAll is well.\ud800")) == "tokens.a\\x1b[2K\\nAll is well.\\ud800"


def test_names_that_were_asked_for_can_be_printed() -> None:
    """Whatever somebody asks for, a log and a terminal take the error."""
    for error in (PluginTypeNotFound("sms\ud800\n"), PluginItemNotFound("sms\x1b[2K")):
        assert str(error).isprintable()


def test_key_errors_read_as_sentences() -> None:
    """The builtin KeyError shows the repr of its message; ours show the message, with close matches."""
    assert str(PluginTypeNotFound("x", ["y", "z"])) == "No plugin type x is registered. Did you mean y or z?"
    assert "Register it in a plugins.py" in str(PluginTypeNotFound("x"))
    assert str(PluginItemNotFound("x")).startswith("No class is registered for plugin item x.")


def test_no_plugin_available_lists_every_candidate_up_to_a_limit() -> None:
    """Each candidate has a line with its reason; a long list is cut, and an empty one says what to do."""
    few = NoPluginAvailable("sms", ["a: disabled", "b: cooling down"])
    assert str(few) == "No usable instance of sms:\n- a: disabled\n- b: cooling down"
    many = NoPluginAvailable("sms", [f"row {number}" for number in range(25)])
    assert str(many).endswith("- row 19\n- and 5 more")
    assert len(many.candidates) == 25
    assert "there is none" in str(NoPluginAvailable("sms"))


@pytest.mark.parametrize(
    ("kind", "opening"),
    [
        (InvalidConfig, "Invalid config for"),
        (StoredConfigInvalid, "The stored config no longer fits"),
        (UnstorableConfig, "This config cannot be stored for"),
    ],
)
def test_config_errors_are_validation_errors_of_the_config_field(kind: type[InvalidConfig], opening: str) -> None:
    """Forms and serializers show them beside ``config``; ``errors`` has each problem with its path."""
    error = kind("the row", iter(PROBLEMS))
    assert str(error) == f"{opening} the row: smtp.0: is wrong; (root): is missing"
    assert repr(error) == f"{kind.__name__}({str(error)!r})"
    assert error.message_dict == {"config": ["smtp.0: is wrong", "(root): is missing"]}
    assert error.errors == PROBLEMS


def test_a_group_of_failures_splits_into_groups_of_its_kind() -> None:
    """``split`` and ``except*`` keep the class of AllPluginsFailed."""
    group = AllPluginsFailed("all failed", [ValueError("a"), KeyError("b")])
    parts: tuple[Any, Any] = group.split(ValueError)
    assert [type(part) for part in parts] == [AllPluginsFailed, AllPluginsFailed]
    assert [type(error) for error in group.exceptions] == [ValueError, KeyError]
