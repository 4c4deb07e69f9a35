"""Entries of a dict with secrets: renamed, swapped, moved, forged."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from django_plugin_system.config.codec import Kept
from tests.forms.helpers import OPENED, bind, edit, get_form
from tests.shapes.form_models import Account
from tests.shapes.table import MARKER

OTHER = {"$secret": "dps1.0000aaaa.other"}


class Config(BaseModel):
    """Dicts with secrets, and a secret beside them."""

    tokens: dict[str, SecretStr] = {}
    others: dict[str, SecretStr] = {}
    accounts: dict[str, Account] | None = None
    single: SecretStr | None = None


STORED = {
    "tokens": {"a": MARKER, "b": OTHER},
    "others": {},
    "accounts": {"main": {"user": "u", "token": MARKER, "active": True}},
    "single": None,
}


@pytest.mark.parametrize("generated", [True, False])
def test_renamed_entry_keeps_its_secret(generated: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Under a new key a secret need not be typed again; it arrives opened, as its token is bound to the old key."""
    binding = bind(Config, STORED, generated=generated)
    form = get_form(binding)
    if generated:
        form["tokens"][0]["key"] = "new"
        form["accounts"][0]["key"] = "renamed"
    else:
        form["tokens"] = {"new": form["tokens"]["a"], "b": form["tokens"]["b"]}
        form["accounts"] = {"renamed": form["accounts"]["main"]}
    config: Any = edit(binding, **form).config
    assert config["tokens"] == {"new": Kept(f"{OPENED}-{MARKER['$secret']}"), "b": OTHER}
    assert config["accounts"]["renamed"]["token"] == Kept(f"{OPENED}-{MARKER['$secret']}")


def test_swapped_keys() -> None:
    """Two entries whose keys are swapped take their secrets along."""
    binding = bind(Config, STORED)
    first, second = get_form(binding)["tokens"]
    swapped = [{**first, "key": "b"}, {**second, "key": "a"}]
    config: Any = edit(binding, tokens=swapped).config
    assert config["tokens"] == {
        "b": Kept(f"{OPENED}-{MARKER['$secret']}"),
        "a": Kept(f"{OPENED}-{OTHER['$secret']}"),
    }


def test_no_other_field_gets_the_secret() -> None:
    """The placeholder of an entry is refused in another dict, in a field, as a key, and in a plain text of an entry."""
    binding = bind(Config, STORED)
    form = get_form(binding)
    token = form["tokens"][0]["value"]
    for field, value in (
        ("others", [{"key": "a", "value": token}]),
        ("single", token),
        ("accounts", [{"key": "main", "value": {**form["accounts"][0]["value"], "token": token}}]),
        ("accounts", [{"key": "main", "value": {**form["accounts"][0]["value"], "user": token}}]),
    ):
        submission = edit(binding, **{field: value})
        assert submission.config is None
        assert "another field" in submission.problems[0].message
    forged = edit(binding, tokens=[{"key": token, "value": "typed"}]).config
    assert forged is not None
    assert forged["tokens"] == {token: "typed"}


def test_unreadable_secret_cannot_be_renamed() -> None:
    """A secret that cannot be read stays under its key, or is typed again."""
    binding = bind(Config, STORED, opened={})
    first, second = get_form(binding)["tokens"]
    submission = edit(binding, tokens=[{**first, "key": "new"}, second])
    assert submission.config is None
    assert "cannot be read" in submission.problems[0].message
