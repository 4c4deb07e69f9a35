"""What pydantic and the codec say about a value, in plain words and in the operator's language.

Both say it in English, for logs and programs. What is not listed here, or an author's own message, is shown as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

_WORDS = {  # of two that fit one message, the longer one first; some are Django's own, with its translations
    "Field required": "This field is required.",
    "Extra inputs are not permitted": _("Extra inputs are not permitted"),
    "Input should be a valid string": _("Enter a text."),
    "Input should be a valid integer": "Enter a whole number.",
    "Input should be a valid integer, %(error)s": "Enter a whole number.",
    "Input should be a valid number": "Enter a number.",
    "Input should be a valid number, %(error)s": "Enter a number.",
    "Input should be a finite number": "Enter a number.",
    "Input should be a valid boolean": _("Choose yes or no."),
    "Input should be a valid boolean, %(error)s": _("Choose yes or no."),
    "Input should be a valid decimal": "Enter a number.",
    "Input should be a valid list": _("Input should be a valid list"),
    "Input should be a valid dictionary": _("Input should be a valid dictionary"),
    "Input should be greater than or equal to %(limit)s": _("Enter %(limit)s or more."),
    "Input should be greater than %(limit)s": _("Enter more than %(limit)s."),
    "Input should be less than or equal to %(limit)s": _("Enter %(limit)s or less."),
    "Input should be less than %(limit)s": _("Enter less than %(limit)s."),
    "Input should be a multiple of %(number)s": _("Enter a multiple of %(number)s."),
    "String should match pattern '%(pattern)s'": _("This is not in the expected form."),
    "String should have at least %(count)s characters": _("At least this many characters: %(count)s."),
    "String should have at most %(count)s characters": _("At most this many characters: %(count)s."),
    "Value should have at least %(count)s items after validation, not %(more)s": _("At least this many: %(count)s."),
    "List should have at least %(least)s items after validation, not %(count)s": _("At least this many: %(least)s."),
    "List should have at most %(most)s items after validation, not %(count)s": _("At most this many: %(most)s."),
    "Decimal input should have no more than %(count)s digits in total": _("At most this many digits: %(count)s."),
    "Decimal input should have no more than %(count)s decimal places": _("At most this many decimals: %(count)s."),
    "Input should be %(choices)s": _("Choose one of these: %(choices)s."),
    "Input should be a valid date": "Enter a valid date.",
    "Input should be a valid date or datetime, %(error)s": "Enter a valid date.",
    "Input should be a valid datetime, %(error)s": "Enter a valid date/time.",
    "Input should be a valid datetime or date, %(error)s": "Enter a valid date/time.",
    "Input should be in a valid time format, %(error)s": "Enter a valid time.",
    "Input should be a valid timedelta, %(error)s": "Enter a valid duration.",
    "Input should have timezone info": _("Say the time zone, too: Z, or +01:00."),
    "Input should not have timezone info": _("Enter it without a time zone."),
    "Input should be a valid URL, %(error)s": "Enter a valid URL.",
    "URL scheme should be %(schemes)s": _("The address should begin with %(schemes)s."),
    "Input should be a valid UUID, %(error)s": "Enter a valid UUID.",
    "Invalid JSON: %(error)s": _("Invalid JSON: %(error)s"),
    "Path does not point to a file": _("Path does not point to a file"),
    "Path does not point to a directory": _("Path does not point to a directory"),
    "Value error, %(error)s": "%(error)s",
    "Assertion failed, %(error)s": "%(error)s",
    "Invalid value (the message is withheld because it quotes a secret).": _(
        "Invalid value (the message is withheld because it quotes a secret)."
    ),
    "no such field; there are: %(fields)s": _("no such field; there are: %(fields)s"),
    "belongs to %(fields)s, which was changed: enter this secret again": _(
        "belongs to %(fields)s, which was changed: enter this secret again"
    ),
}
_EXAMPLE = _("Example: %s")
_PLURALS = ("characters", "items", "digits", "places")


def localize(message: str, example: str = "") -> str:
    """Return ``message`` in plain words, in the language of the request, if it is one of those that are known.

    ``example`` is one for the field, which helps where a pattern says nothing to people.
    """
    for template, pattern in _get_patterns():
        if found := pattern.fullmatch(message):
            text = gettext(_WORDS[template]) % (found.groupdict() or ())
            return " ".join([text, gettext(_EXAMPLE) % example]) if example and "pattern" in found.groupdict() else text
    return message


@lru_cache(maxsize=1)
def _get_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, _make_pattern(template)) for template in _WORDS)


def _make_pattern(template: str) -> re.Pattern[str]:
    pattern = re.escape(template)
    for plural in _PLURALS:
        pattern = pattern.replace(plural, f"{plural}?")
    pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", pattern)
    return re.compile(pattern.replace("(?P<choices>.+)", r"(?P<choices>['\d-].*)"), re.DOTALL)
