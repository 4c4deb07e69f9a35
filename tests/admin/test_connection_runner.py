"""Running ``check()``: whatever it does, the caller gets an answer in time, and no secret in it."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.utils.html import escape

from django_plugin_system.config.leaks import MAX_LENGTH, describe
from django_plugin_system.models import PluginInstance
from django_plugin_system.plugin import has_check
from django_plugin_system.selection import trial
from django_plugin_system.selection.trial import MOST_AT_ONCE, run_check
from tests.admin.checked import CheckedSms, declare_checked, raising
from tests.admin.sample import CONFIG, SECRET, AbstractSms, make_instance
from tests.admin.sample import ConsoleSms as WithoutCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_plugin_system.models import PluginItem

if sys.version_info < (3, 11):  # pragma: no cover - which branch runs depends on the interpreter
    from exceptiongroup import ExceptionGroup


def run(behave: Callable[[Any], Any], row: PluginInstance) -> trial.CheckResult:
    """Test a row whose ``check()`` behaves so, and see to it that no thread is left."""
    CheckedSms.behave = behave
    return run_check(row, row)


def test_a_check_that_returns_has_passed(checked: PluginInstance) -> None:
    """It got the validated configuration and the row; what it returns does not count."""
    outcome = run(lambda plugin: (plugin.config.auth_token, plugin.plugin_instance.pk == checked.pk), checked)
    assert outcome.passed
    assert outcome.error == ""
    assert CheckedSms.seen[0].auth_token.get_secret_value() == SECRET


def test_a_check_that_raises_has_failed(checked: PluginInstance) -> None:
    """Type and text of the error say why."""
    outcome = run(raising(ConnectionError("refused by <b>sms.example</b>")), checked)
    assert not outcome.passed
    assert outcome.error == "ConnectionError: refused by <b>sms.example</b>"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (BaseException("odd"), "BaseException: odd"),
        (GeneratorExit(), "GeneratorExit"),
        (ExceptionGroup("both", [ValueError(SECRET), OSError(SECRET)]), "ExceptionGroup: both (2 sub-exceptions)"),
        (MemoryError(), "MemoryError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_kind_of_error(checked: PluginInstance, error: BaseException, shown: str) -> None:
    """What would end a process ends a test; the members of a group are not shown."""
    assert run(raising(error), checked).error == shown


def test_endless_recursion(checked: PluginInstance) -> None:
    """A stack that overflows is an error like any other."""

    def recurse(plugin: Any) -> None:
        recurse(plugin)

    assert "RecursionError" in run(recurse, checked).error


class BrokenError(Exception):
    """An error that cannot be shown."""

    def __str__(self) -> str:
        raise SystemExit(SECRET)


class WrongError(Exception):
    """An error whose text is none."""

    __str__ = len  # type: ignore[assignment]


@pytest.mark.parametrize("kind", [BrokenError, WrongError])
def test_an_error_without_a_text(checked: PluginInstance, kind: type[Exception]) -> None:
    """If it cannot be shown, its type is."""
    assert run(raising(kind()), checked).error == kind.__name__


def quote_secret(text: str) -> list[str]:
    """Return texts that quote the secret, as authors and libraries do."""
    raw = SECRET.encode()
    return [
        text.format(form)
        for form in (
            SECRET,
            f"https://u:{quote(SECRET)}@sms.example/",
            repr({"auth": SECRET}),
            json.dumps([SECRET]),
            repr(raw),
            escape(SECRET),
            base64.b64encode(raw).decode(),
            base64.b64encode(b"user:" + raw).decode(),
            base64.b64encode(b"x:" + raw + b":y").decode(),
            base64.urlsafe_b64encode(b"a user:" + raw).decode(),
            base64.encodebytes(b"x" * 60 + raw).decode(),
            raw.hex(),
            raw.hex().upper(),
            f"{SECRET}\nagain",
        )
    ]


@pytest.mark.parametrize("text", quote_secret("cannot log in with {}"))
def test_a_message_that_quotes_the_secret_is_withheld(checked: PluginInstance, text: str) -> None:
    """Plain, escaped, or encoded: the type of the error is left."""
    outcome = run(raising(PermissionError(text)), checked)
    assert outcome.error == "PermissionError: the message quotes a secret, so it is withheld"


def test_a_special_secret_in_a_url() -> None:
    """A secret that URLs, HTML and repr write otherwise is found in each of these forms."""
    secret = "p&ss w\u00f6rd'<\\/+?"
    for text in (quote(secret), quote(secret, safe=""), escape(secret), repr(secret), repr(secret.encode())):
        assert "withheld" in describe(ValueError(f"at {text}!"), [secret])
    encoded = base64.b64encode(b"\xff\xfe" + secret.encode() + b"\xff").decode()
    assert "withheld" in describe(ValueError(encoded.replace("+", "-").replace("/", "_")), [secret])


def test_a_short_secret() -> None:
    """One of a few characters is looked for as it is, not encoded: that would stand anywhere."""
    assert "withheld" in describe(ValueError("PIN 4711 is wrong"), ["4711"])
    assert describe(ValueError("NDcxMQ and 34373131"), ["4711"]) == "ValueError: NDcxMQ and 34373131"


def test_the_type_of_an_error_may_quote_the_secret_too() -> None:
    """Then even that is withheld."""
    kind = type(SECRET, (Exception,), {})
    assert describe(kind("x"), [SECRET]) == "the message quotes a secret, so it is withheld"


def test_causes_are_not_shown(checked: PluginInstance) -> None:
    """What an error was raised from stays where it is."""

    def behave(_plugin: Any) -> None:
        message = "no answer"
        raise ConnectionError(message) from ValueError(SECRET)

    assert run(behave, checked).error == "ConnectionError: no answer"


def test_a_secret_that_is_replaced_is_not_shown_either(checked: PluginInstance) -> None:
    """A test of typed changes keeps quiet about what is stored, which the plugin can reach through its row."""
    typed = PluginInstance.objects.get(pk=checked.pk)
    typed.set_config({**CONFIG, "auth_token": "typed just now"})
    CheckedSms.behave = lambda plugin: raising(
        ValueError(plugin.plugin_instance.load_config().auth_token.get_secret_value())
    )(plugin)
    assert "withheld" in run_check(typed, checked).error


def test_an_error_of_ten_megabytes(checked: PluginInstance) -> None:
    """A long text is cut, after it was looked through as a whole."""
    outcome = run(raising(ValueError("long " * 2_000_000)), checked)
    assert outcome.error.startswith("ValueError: long long")
    assert outcome.error.endswith("…")
    assert len(outcome.error) == MAX_LENGTH
    assert "withheld" in run(raising(ValueError("long " * 2_000_000 + SECRET)), checked).error


def test_characters_that_cannot_be_stored(checked: PluginInstance) -> None:
    """Control characters and halves of surrogate pairs are escaped, line breaks too."""
    assert run(raising(ValueError("a\0b\x1bc\ud800d\ne")), checked).error == r"ValueError: a\x00b\x1bc\ud800d\ne"


def test_a_check_that_is_async(checked: PluginInstance) -> None:
    """A coroutine is run to its end."""

    async def answer() -> None:
        await asyncio.sleep(0)
        message = "no route"
        raise OSError(message)

    assert run(lambda _plugin: answer(), checked).error == "OSError: no route"


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Make the time limit short; give an event that ends all that hang."""
    monkeypatch.setattr(trial, "TIME_LIMIT", 0.05)
    release = threading.Event()
    yield release
    release.set()


def test_a_check_that_hangs(checked: PluginInstance, hurry: threading.Event) -> None:
    """It is no longer waited for; a few that hang keep others from starting, and those say so at once."""
    for _place in range(MOST_AT_ONCE):
        outcome = run(lambda _plugin: hurry.wait(), checked)
        assert (outcome.ran, outcome.error) == (True, "No result after 0.05 seconds.")
    refused = run(lambda _plugin: hurry.wait(), checked)
    assert (refused.ran, refused.passed) == (False, False)
    assert "Try again later" in refused.error
    assert len(CheckedSms.seen) == MOST_AT_ONCE
    hurry.set()
    while not run(lambda _plugin: None, checked).passed:
        time.sleep(0.01)


def test_an_async_check_that_hangs_is_ended(
    checked: PluginInstance, hurry: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coroutine can be ended from outside, so its thread does not stay."""
    monkeypatch.setattr(trial, "GRACE", 0.05)

    threads = []

    async def hang() -> None:
        threads.append(threading.current_thread())
        await asyncio.get_running_loop().create_future()

    outcome = run(lambda _plugin: hang(), checked)
    assert outcome.error == "No result after 0.05 seconds."
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert not hurry.is_set()


def test_no_thread_to_be_had(checked: PluginInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no thread the test says so, and keeps no place."""

    def refuse(_thread: threading.Thread) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    for _time in range(MOST_AT_ONCE + 1):
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            assert "could not start another thread" in run(lambda _plugin: None, checked).error
    assert run(lambda _plugin: None, checked).passed


@pytest.mark.django_db(transaction=True)
def test_a_check_that_writes_to_the_database(checked: PluginInstance) -> None:
    """It writes through a connection of its own, which is closed in the end."""
    used = []

    def write(_plugin: Any) -> None:
        PluginInstance.objects.filter(pk=checked.pk).update(description="written by check()")
        used.append(connection.connection)

    assert run(write, checked).passed
    assert PluginInstance.objects.get().description == "written by check()"
    assert used[0] is not connection.connection
    with pytest.raises(Exception, match="closed"):
        used[0].cursor()


def test_what_is_tested_cannot_be_stored_by_the_check(checked: PluginInstance) -> None:
    """The row that a plugin finds is the stored one; in the test of a new instance there is none."""
    typed = PluginInstance.objects.get(pk=checked.pk)
    typed.set_config({**CONFIG, "timeout": 77})
    found: list[Any] = []
    CheckedSms.behave = lambda plugin: found.append(plugin.plugin_instance)
    assert run_check(typed, checked).passed
    assert run_check(typed, None).passed
    assert found[0].load_config().timeout == 10
    assert found[1] is None
    assert [config.timeout for config in CheckedSms.seen] == [77, 77]


def test_a_config_that_cannot_be_read(checked: PluginInstance, settings: Any) -> None:
    """The reason stands where an error of ``check()`` would, and ``check()`` is not called."""
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="]}
    assert "secret unreadable" in run(lambda _plugin: None, checked).error
    assert not CheckedSms.seen


def test_a_constructor_that_raises(items: dict[str, PluginItem]) -> None:
    """The error names its type, and nothing of its text."""

    class Fragile(CheckedSms):
        """A class that cannot be built."""

        def __init__(self, config: Any) -> None:
            raise OSError(config.auth_token.get_secret_value())

    row = make_instance(declare_checked(items["twilio"].plugin_type, Fragile, "fragile"))
    error = run_check(row, row).error
    assert "its constructor raised OSError" in error
    assert SECRET not in error


def test_an_item_without_configuration(items: dict[str, PluginItem]) -> None:
    """A class that takes no configuration can be tested as well."""

    class Plain(WithoutCheck):
        """A class of the 1.1.0 kind."""

        def check(self) -> None:
            """Fail."""
            raise OSError("unplugged")

    row = make_instance(declare_checked(items["twilio"].plugin_type, Plain, "plain"), config={})
    assert run_check(row, row).error == "OSError: unplugged"


class WithArgument(WithoutCheck):
    """Checks numbers, not itself."""

    def check(self, number: str) -> None:
        """Do nothing."""


class WithDefault(WithoutCheck):
    """Can be checked without arguments."""

    def check(self, timeout: float = 3) -> None:
        """Do nothing."""


class WithStatic(WithoutCheck):
    """Can be checked without an object."""

    @staticmethod
    def check() -> None:
        """Do nothing."""


class WithClass(WithoutCheck):
    """Can be checked by its class."""

    @classmethod
    def check(cls) -> None:
        """Do nothing."""


class WithAttribute(WithoutCheck):
    """Has something else of that name."""

    check = True


@pytest.mark.parametrize(
    ("plugin_class", "expected"),
    [
        (CheckedSms, True),
        (WithDefault, True),
        (WithStatic, True),
        (WithClass, True),
        (WithArgument, False),
        (WithAttribute, False),
        (WithoutCheck, False),
        (AbstractSms, False),
        (None, False),
    ],
)
def test_which_classes_can_be_tested(plugin_class: type | None, expected: bool) -> None:  # noqa: FBT001 - a parameter
    """Those whose ``check()`` can be called without arguments; a method that takes some means something else."""
    assert has_check(plugin_class) is expected
