"""A configuration for people who may only look: titles and values, and no JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr

from django_plugin_system.forms.binding import BLOT, show_fields
from tests.shapes.table import MARKER


class Sender(BaseModel):
    """An entry."""

    name: str = Field(title="Sender's name")
    token: SecretStr | None = None


class Config(BaseModel):
    """A bit of everything."""

    api_key: SecretStr = Field(title="API key")
    region: Literal["us", "eu"] = "us"
    on: bool = True
    note: str | None = None
    senders: list[Sender] = []
    headers: dict[str, str] = {}
    odd: Any = None


STORED: dict[str, Any] = {
    "api_key": MARKER,
    "region": "gone",
    "on": False,
    "note": "<b>",
    "senders": [{"name": "a", "token": {"$env": "APP_TOKEN"}}, {"name": "b", "token": None}],
    "headers": {"X-<A>": "1"},
    "odd": {"more": [1]},
    "unknown": True,
}


def test_fields_have_titles() -> None:
    """Models and lists stand inside of lists; what the schema does not know has its key; all is escaped."""
    assert show_fields(STORED, Config) == (
        '<dl class="dps-fields">'
        f"<div><dt>API key</dt><dd>{BLOT}</dd></div>"
        "<div><dt>Region</dt><dd>gone</dd></div>"
        "<div><dt>On</dt><dd>No</dd></div>"
        "<div><dt>Note</dt><dd>&lt;b&gt;</dd></div>"
        '<div><dt>Senders</dt><dd><ol><li><dl class="dps-fields">'
        "<div><dt>Sender&#x27;s name</dt><dd>a</dd></div><div><dt>Token</dt><dd>$env APP_TOKEN</dd></div></dl></li>"
        '<li><dl class="dps-fields"><div><dt>Sender&#x27;s name</dt><dd>b</dd></div>'
        "<div><dt>Token</dt><dd>Not set</dd></div></dl></li></ol></dd></div>"
        '<div><dt>Headers</dt><dd><dl class="dps-fields"><div><dt>X-&lt;A&gt;</dt><dd>1</dd></div></dl></dd></div>'
        '<div><dt>Odd</dt><dd><dl class="dps-fields"><div><dt>more</dt><dd>'
        "<ol><li>1</li></ol></dd></div></dl></dd></div>"
        "<div><dt>unknown</dt><dd>Yes</dd></div></dl>"
    )


def test_choices_have_their_titles() -> None:
    """A value that is a choice is shown as the form shows it; nothing at all is not set."""
    assert "<dd>eu</dd>" in show_fields({"region": "eu"}, Config)
    assert show_fields({}, Config) == "Not set"
