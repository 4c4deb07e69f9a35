"""What pydantic says, in the operator's language."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from django.utils import translation
from pydantic import AnyUrl, Field, TypeAdapter, ValidationError

from django_plugin_system.forms.messages import localize

CASES = [
    (int, "x", "Die Eingabe muss eine ganze Zahl sein; der Text ist keine"),
    (int, 1.5, "Die Eingabe muss eine ganze Zahl sein; diese hat Nachkommastellen"),
    (Annotated[int, Field(gt=5)], 5, "Die Eingabe muss größer als 5 sein"),
    (Annotated[int, Field(ge=5)], 1, "Die Eingabe muss mindestens 5 sein"),
    (Annotated[str, Field(pattern="^a%b$")], "x", "Der Text muss dem Muster „^a%b$“ entsprechen"),
    (Annotated[str, Field(min_length=1)], "", "Der Text muss mindestens so viele Zeichen haben: 1"),
    (Annotated[str, Field(max_length=2)], "abc", "Der Text darf höchstens so viele Zeichen haben: 2"),
    (Annotated[list[int], Field(min_length=1)], [], "Die Liste muss mindestens so viele Einträge haben: 1; sie hat 0"),
    (Literal["us", "eu"], "x", "Möglich ist: 'us' or 'eu'"),
    (Literal[1, 2], "x", "Möglich ist: 1 or 2"),
    (AnyUrl, "x", "Die Eingabe muss eine URL sein: relative URL without a base"),
]


def get_message(annotation: Any, value: Any) -> str:
    """Return what pydantic says about a value."""
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(annotation).validate_python(value)
    return refused.value.errors()[0]["msg"]


@pytest.mark.parametrize(("annotation", "value", "text"), CASES)
def test_pydantic_in_german(annotation: Any, value: Any, text: str) -> None:
    """A message of pydantic's is translated with what it quotes; in English it is shown as it is."""
    message = get_message(annotation, value)
    with translation.override("de"):
        assert localize(message) == text
    with translation.override("en"):
        assert localize(message) == message


def test_other_messages_stay_as_they_are() -> None:
    """What an author wrote, or nobody translated, is shown as it is."""
    with translation.override("de"):
        assert localize("100 % is too much") == "100 % is too much"
        assert localize("Input should be a valid deque") == "Input should be a valid deque"
