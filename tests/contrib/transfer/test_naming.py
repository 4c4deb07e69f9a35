"""Names of environment variables: valid, unique, and the same at every export."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from django_plugin_system.contrib.transfer.document import Entry
from django_plugin_system.contrib.transfer.export import make_name

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.exceptions import Path

VALID = re.compile(r"[A-Z_][A-Z0-9_]*\Z")


def entry(name: str = "main", *, item: str = "twilio", manager: str = "apps.sms", kind: str = "sms") -> Entry:
    """Return an entry with these names."""
    return Entry.model_construct(type=kind, item=item, name=name, manager=manager, module="apps.sms")


def names(*places: tuple[Entry, Path]) -> list[str]:
    """Return the names for ``places``, in their order."""
    used = Counter(make_name(*place) for place in places)
    return [make_name(*place, used) for place in places]


@pytest.mark.parametrize(
    ("one", "path", "name"),
    [
        (entry("transactional"), ("auth_token",), "SMS_TWILIO_TRANSACTIONAL_AUTH_TOKEN"),
        (entry("a-b"), ("Hosts", "0", "api.key"), "SMS_TWILIO_A_B_HOSTS_0_API_KEY"),
        (entry(kind="2fa"), ("x",), "_2FA_TWILIO_MAIN_X"),
        (entry(kind="été"), ("größe", "鍵"), "ETE_TWILIO_MAIN_GROE"),
    ],
)
def test_a_name_is_made_of_names(one: Entry, path: Path, name: str) -> None:
    """Type, item, instance and path, in capital letters, whatever they are written in."""
    assert names((one, path)) == [name]


def test_names_that_would_be_the_same_are_told_apart() -> None:
    """Each of them gets an end of its own, whichever of them there are."""
    same = [(entry("a-b"), ("c",)), (entry("a_b"), ("c",)), (entry("a"), ("b", "c")), (entry("a"), ("b-c",))]
    found = names(*same)
    assert len(set(found)) == 4
    assert all(re.fullmatch("SMS_TWILIO_A_B_C_[0-9A-F]{32}", name) for name in found)
    assert names(*same[2:], same[0]) == [*found[2:], found[0]]
    assert names(same[0]) == ["SMS_TWILIO_A_B_C"]


def test_a_name_that_looks_told_apart_already() -> None:
    """A name that is what another one becomes is told apart, too."""
    first, second = entry(manager="one"), entry(manager="two")
    taken = names((first, ("x",)), (second, ("x",)))[0].removeprefix("SMS_TWILIO_MAIN_")
    found = names((first, ("x",)), (second, ("x",)), (entry(), (taken,)))
    assert len(set(found)) == 3


def test_the_settings_say_how_a_name_begins(settings: Settings) -> None:
    """A name that references may not have gets the first prefix that they may have."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_TWILIO_MAIN_X", "SHOP_*", "PLUGIN_*"]}
    assert names((entry(), ("x",)), (entry(), ("y",))) == ["SMS_TWILIO_MAIN_X", "SHOP_SMS_TWILIO_MAIN_Y"]
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["SMS_TWILIO_MAIN_X"]}
    assert names((entry(), ("y",))) == ["SMS_TWILIO_MAIN_Y"]


texts = st.text(max_size=4)
places = st.tuples(
    st.builds(entry, texts, item=texts, manager=texts, kind=texts), st.lists(texts, max_size=3).map(tuple)
)


@settings(deadline=None, max_examples=100, derandomize=True, database=None)
@given(st.lists(places, max_size=12, unique_by=lambda place: (str(place[0]), place[1])))
def test_any_names_are_valid_and_unique(chosen: list[tuple[Entry, Path]]) -> None:
    """Whatever the names and paths are, each secret has a valid variable of its own."""
    found = names(*chosen)
    assert all(map(VALID.match, found))
    assert len(set(found)) == len(chosen)
