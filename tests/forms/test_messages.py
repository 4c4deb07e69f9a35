"""What pydantic says, in the operator's language."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import pytest
from django.utils import translation
from pydantic import AnyUrl, Field, TypeAdapter, ValidationError

from django_plugin_system.forms.messages import localize

CASES = [
    (int, "x", "Enter a whole number.", "Bitte eine ganze Zahl eingeben."),
    (int, 1.5, "Enter a whole number.", "Bitte eine ganze Zahl eingeben."),
    (float, "x", "Enter a number.", "Bitte eine Zahl eingeben."),
    (Annotated[int, Field(gt=5)], 5, "Enter more than 5.", "Bitte mehr als 5 eingeben."),
    (Annotated[int, Field(ge=5)], 1, "Enter 5 or more.", "Bitte 5 oder mehr eingeben."),
    (
        Annotated[str, Field(pattern="^a%b$")],
        "x",
        "This is not in the expected form.",
        "Das hat nicht die erwartete Form.",
    ),
    (Annotated[str, Field(min_length=1)], "", "At least this many characters: 1.", "Mindestens so viele Zeichen: 1."),
    (Annotated[str, Field(max_length=2)], "abc", "At most this many characters: 2.", "Höchstens so viele Zeichen: 2."),
    (Annotated[list[int], Field(min_length=1)], [], "At least this many: 1.", "Mindestens so viele: 1."),
    (Literal["us", "eu"], "x", "Choose one of these: 'us' or 'eu'.", "Möglich ist: 'us' or 'eu'."),
    (Literal[1, 2], "x", "Choose one of these: 1 or 2.", "Möglich ist: 1 or 2."),
    (AnyUrl, "x", "Enter a valid URL.", "Bitte eine gültige Adresse eingeben."),
    (dt.date, "x", "Enter a valid date.", "Bitte ein gültiges Datum eingeben."),
]


def get_message(annotation: Any, value: Any) -> str:
    """Return what pydantic says about a value."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(annotation).validate_python(value)
    return refused.value.errors()[0]["msg"]


@pytest.mark.parametrize(("annotation", "value", "english", "german"), CASES)
def test_pydantic_in_plain_words(annotation: Any, value: Any, english: str, german: str) -> None:
    """A message of pydantic's is told as a person would, with what it quotes."""
    message = get_message(annotation, value)
    for language, text in (("en", english), ("de", german)):
        with translation.override(language):
            assert localize(message) == text


def test_an_example_says_more_than_a_pattern() -> None:
    """Where a pattern does not match, the author's example is shown; elsewhere it is in the field already."""
    message = get_message(Annotated[str, Field(pattern="^AC[0-9]+$")], "x")
    assert localize(message, "AC123") == "This is not in the expected form. Example: AC123"
    assert localize(get_message(int, "x"), "5") == "Enter a whole number."


def test_other_messages_stay_as_they_are() -> None:
    """What an author wrote, or nobody translated, is shown as it is."""
    with translation.override("de"):
        assert localize("100 % is too much") == "100 % is too much"
        assert localize("Input should be a valid deque") == "Input should be a valid deque"
