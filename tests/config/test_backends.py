"""Stores that references point into: asked seldom and at once, never waited for while a value is held."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.checks import check_references
from django_plugin_system.config import backends
from django_plugin_system.config.backends import ReferenceBackend, Unavailable, find_outages, get_store
from django_plugin_system.config.references import Reference, Resolver
from django_plugin_system.exceptions import InvalidConfig, UnresolvedReference
from tests.config.helpers import make_codec, make_schema, show_everything

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pytest_django import Settings

TEXT = "planted-in-the-store"


class Vault(ReferenceBackend):
    """A store that the tests fill, slow down and take away."""

    secrets: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[list[str]]] = []
    error: ClassVar[Exception | None] = None
    gate = threading.Event()

    def resolve(self, names: Sequence[str]) -> Mapping[str, Any]:
        """Answer, when the gate is open."""
        self.asked.append(list(names))
        self.gate.wait(20)
        if self.error is not None:
            raise self.error
        return {name: self.secrets[name] for name in names if name in self.secrets}


@pytest.fixture(autouse=True)
def vault(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Vault]]:
    """Set up an empty store that answers at once; threads of an earlier test, on their way still, ask another one."""
    fresh: type[Vault] = type("Vault", (Vault,), {"secrets": {}, "asked": [], "error": None, "gate": threading.Event()})
    monkeypatch.setattr(sys.modules[__name__], "Vault", fresh)
    fresh.gate.set()
    use(settings)
    yield fresh
    fresh.gate.set()
    backends.forget_stores()


def use(settings: Settings, **options: Any) -> None:
    """Set the options of the store."""
    store = {"BACKEND": f"{__name__}.Vault", "ALLOW": ["shop/*", "exact", "part#key"], "OPTIONS": options}
    settings.PLUGIN_SYSTEM = {"REFERENCES": {"vault": store}}


def get(name: str) -> Any:
    """Return what a reference gives now."""
    return Resolver().get(Reference("$vault", name))


def wait_until(is_so: Callable[[], object]) -> None:
    """Give another thread its time."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def is_refreshed(store: backends.Store) -> bool:
    """Say whether the thread runs that renews what is held."""
    thread = store._refresher  # noqa: SLF001 - the thread
    return thread is not None and thread.is_alive()


class Config(BaseModel):
    """A configuration with several secrets."""

    token: SecretStr
    endpoint: str
    limits: dict[str, int] = {}


def test_a_store_is_asked_once_for_all_that_a_configuration_refers_to(vault: type[Vault]) -> None:
    """What is stored is the reference; its value counts as a secret, and is part of a JSON object if a key says so."""
    vault.secrets = {"shop/sms": f'{{"token": "{TEXT}", "limits": {{"day": 5}}}}', "exact": "http://x"}
    given = {
        "token": {"$vault": "shop/sms#token"},
        "endpoint": {"$vault": "exact"},
        "limits": {"$vault": "shop/sms#limits"},
    }
    codec = make_codec(Config)
    stored = codec.store(codec.parse(given))
    assert stored == given
    model: Any = codec.restore(stored).model
    assert (model.token.get_secret_value(), model.endpoint, model.limits) == (TEXT, "http://x", {"day": 5})
    assert vault.asked == [["exact", "shop/sms"]]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("elsewhere", "is not listed in PLUGIN_SYSTEM['REFERENCES']['vault']['ALLOW']"),
        ("exactly", "is not listed in"),
        ("part", "is not listed in"),
        ("shop/none", "there is no such secret"),
        ("shop/text#key", "there is no JSON object with that key"),
        ("shop/list#key", "there is no JSON object with that key"),
        ("shop/later", "refused"),
        ("shop/key", "holds a key of this project's settings"),
    ],
)
def test_what_a_store_does_not_give_is_said_at_the_field(
    name: str, problem: str, vault: type[Vault], settings: Settings
) -> None:
    """Each name is looked for in the list of the settings first; no message has a value in it."""
    vault.secrets = {
        "shop/text": TEXT,
        "shop/list": f'["{TEXT}"]',
        "shop/later": Unavailable("shop/later: refused"),
        "shop/key": settings.SECRET_KEY,
        **dict.fromkeys(("elsewhere", "exactly", "part"), TEXT),
    }
    codec = make_codec(Config)
    with pytest.raises(InvalidConfig) as caught:
        codec.parse({"token": {"$vault": name}, "endpoint": "x"})
    [error] = caught.value.errors
    assert error.path == ("token",)
    assert problem in error.message
    assert name in show_everything(caught.value)
    assert TEXT not in show_everything(caught.value)
    assert not [asked for asked in vault.asked if name in {"elsewhere", "exactly", "part"}]


def test_a_key_alone_may_be_listed(vault: type[Vault]) -> None:
    """The list may name one key of an object, and then no other one is given."""
    vault.secrets = {"part": f'{{"key": "{TEXT}", "other": "x"}}'}
    assert get("part#key") == TEXT
    assert "is not listed" in str(get("part#other"))


def test_what_stands_in_a_secret_is_no_reference(vault: type[Vault]) -> None:
    """Neither is it followed nor is its store asked; a field cannot have the key for a name."""
    schema = make_schema(dict[str, SecretStr])
    codec = make_codec(schema)
    stored = codec.store(codec.parse({"value": {"a": '{"$vault": "exact"}'}}))
    assert codec.restore(stored).model.model_fields_set == {"value"}
    assert vault.asked == []
    with pytest.raises(InvalidConfig, match="is a reference: it stands alone in its object"):
        codec.parse({"value": {"$vault": "exact", "b": "c"}})


def test_a_value_is_asked_for_again_while_nobody_waits(vault: type[Vault], settings: Settings) -> None:
    """After its time a thread looks for it; calls go by what is held until there is something new."""
    use(settings, ttl=1)
    vault.secrets = {"exact": "first"}
    assert get("exact") == "first"
    vault.gate.clear()
    vault.secrets = {"exact": "second"}
    wait_until(lambda: len(vault.asked) == 2)
    assert get("exact") == "first"
    vault.gate.set()
    wait_until(lambda: get("exact") == "second")
    vault.secrets = {}
    wait_until(lambda: "no such secret" in str(get("exact")))


def test_what_is_not_used_is_not_kept(vault: type[Vault], settings: Settings) -> None:
    """A value that no configuration asked for within its time is forgotten, and the thread ends."""
    use(settings, ttl=1, keep=0.5)
    vault.secrets = {"exact": "first"}
    assert get("exact") == "first"
    store = get_store("$vault")
    wait_until(lambda: not is_refreshed(store))
    assert not store._held  # noqa: SLF001 - the memory
    assert get("exact") == "first"


def test_an_answer_on_its_way_keeps_no_forgotten_store_going(vault: type[Vault], settings: Settings) -> None:
    """After a change of the settings, the thread that renews what the old store gave ends."""
    use(settings, ttl=1)
    vault.secrets = {"exact": "first"}
    vault.gate.clear()
    old = get_store("$vault")
    asking = threading.Thread(target=get, args=("exact",))
    asking.start()
    wait_until(lambda: vault.asked)
    backends.forget_stores()
    vault.gate.set()
    asking.join()
    wait_until(lambda: not is_refreshed(old))
    assert old._held  # noqa: SLF001 - the memory, which nobody asks any more
    assert get_store("$vault") is not old


def test_a_store_that_is_down_costs_nothing_while_a_value_is_held(
    vault: type[Vault], settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The last value is used for a set time; the log and ``find_outages`` say so; then the reason says why not."""
    monkeypatch.setattr(backends, "RETRY_AFTER", 0.01)
    use(settings, ttl=1, keep=3600)
    vault.secrets = {"exact": "first"}
    assert get("exact") == "first"
    vault.error = OSError(TEXT)
    with caplog.at_level(logging.WARNING):
        wait_until(lambda: find_outages() and caplog.text)
        assert get("exact") == "first"
    [outage] = find_outages()
    assert outage.startswith("$vault does not answer (OSError): what it gave last is used for 36")
    assert caplog.text.count("does not answer (OSError)") == 1
    asked = len(vault.asked)
    wait_until(lambda: len(vault.asked) > asked + 2)
    monkeypatch.setattr(backends, "RETRY_AFTER", 1)
    asked = len(vault.asked)
    wait_until(lambda: len(vault.asked) > asked)  # then the thread sleeps, and does not see the clock that is ahead
    now = time.monotonic
    monkeypatch.setattr(backends, "monotonic", lambda: now() + 4000)
    assert get("exact") == Unavailable("$vault exact: the store does not answer (OSError)")
    monkeypatch.setattr(backends, "monotonic", now)
    assert get("exact") == "first"
    vault.error = None
    wait_until(lambda: not find_outages())
    assert "Reference store $vault answers again." in caplog.text
    assert TEXT not in caplog.text


def test_an_answer_that_is_none_replaces_no_value(
    vault: type[Vault], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that refuses one name for now is down for that name, and that is said."""
    use(settings, ttl=1)
    vault.secrets = {"exact": "first"}
    assert get("exact") == "first"
    vault.secrets = {"exact": Unavailable("throttled")}
    wait_until(lambda: len(vault.asked) > 2)
    assert get("exact") == "first"
    [outage] = find_outages()
    assert outage.startswith("throttled: what it gave last is used for 3")
    assert caplog.text.count("Reference store throttled") == 1
    vault.secrets = {"exact": "second"}
    wait_until(lambda: get("exact") == "second")
    assert find_outages() == []


def test_a_store_that_hangs_is_told_of_while_its_values_are_used(
    vault: type[Vault], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is where nobody waits for it; and only so many threads hang with it."""
    monkeypatch.setattr(backends, "RETRY_AFTER", 0.01)
    monkeypatch.setattr(backends, "MOST_ASKING", 2)
    use(settings, ttl=1, timeout=0.05)
    vault.secrets = {"exact": "first"}
    assert get("exact") == "first"
    vault.gate.clear()
    wait_until(find_outages)
    time.sleep(0.3)
    assert get("exact") == "first"
    assert len(vault.asked) == 3
    vault.gate.set()
    wait_until(lambda: not find_outages())


def test_a_store_that_never_answered_is_waited_for_once(vault: type[Vault], settings: Settings) -> None:
    """A call waits for its time limit; for a while others do not wait at all, and the row says why it is skipped."""
    use(settings, timeout=0.05)
    vault.gate.clear()
    codec = make_codec(Config)
    for _ in range(3):
        with pytest.raises(UnresolvedReference, match=r"does not answer \(not within 0.05 seconds\)"):
            codec.restore({"token": {"$vault": "exact"}, "endpoint": "x"})
    assert len(vault.asked) == 1
    assert find_outages() == ["$vault does not answer (not within 0.05 seconds): nothing is held of it"]
    vault.secrets = {"exact": TEXT}
    vault.gate.set()
    wait_until(lambda: get("exact") == TEXT)
    assert find_outages() == []


def test_threads_that_need_the_same_value_ask_once(vault: type[Vault]) -> None:
    """Who comes while the first one asks takes what that one gets."""
    vault.secrets = {"exact": TEXT}
    vault.gate.clear()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(get("exact"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until(lambda: vault.asked)
    time.sleep(0.05)
    vault.gate.set()
    for thread in threads:
        thread.join()
    assert (found, len(vault.asked)) == ([TEXT] * 3, 1)


def test_a_fork_begins_with_what_is_held(vault: type[Vault]) -> None:
    """A child has a backend and a thread of its own, and the values that its parent had."""
    vault.secrets = {"exact": TEXT, "shop/a": "a"}
    assert get("exact") == TEXT
    store = get_store("$vault")
    before = store._backend  # noqa: SLF001 - compared
    backends._begin_anew()  # noqa: SLF001 - what os.fork() calls
    assert store._backend is not before  # noqa: SLF001 - compared
    vault.error = OSError()
    assert get("exact") == TEXT
    assert TEXT not in repr(vars(store)) + repr(store)
    child = os.fork()
    if not child:  # pragma: no cover - the child is not measured
        os._exit(get("exact") != TEXT)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("backend", ["tests.nowhere.Vault", f"{__name__}.TEXT", f"{__name__}.Vault"])
def test_a_backend_that_cannot_be_made_is_a_check(backend: str, settings: Settings) -> None:
    """The error names the setting and the kind of error; no option is quoted."""
    settings.PLUGIN_SYSTEM = {
        "REFERENCES": {"vault": {"BACKEND": backend, "ALLOW": ["exact"], "OPTIONS": {TEXT: TEXT}}}
    }
    [error] = check_references()
    assert error.id == "django_plugin_system.E006"
    assert error.msg.startswith("PLUGIN_SYSTEM['REFERENCES']['vault']: its backend cannot be made (")
    assert TEXT not in error.msg
    assert "its backend cannot be made" in str(get("exact"))


def test_the_base_stands_for_nothing() -> None:
    """A backend says what it gives."""
    with pytest.raises(NotImplementedError):
        ReferenceBackend().resolve(["a"])
