"""What pydantic and the codec say about a value, in the operator's language.

Both say it in English, for logs and programs. What is not listed here, or an author's own message, is shown as it is.
"""

from __future__ import annotations

import re
from functools import lru_cache

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

_TEMPLATES = (  # of two that fit one message, the longer one first
    _("Field required"),
    _("Extra inputs are not permitted"),
    _("Input should be a valid string"),
    _("Input should be a valid integer"),
    _("Input should be a valid integer, unable to parse string as an integer"),
    _("Input should be a valid integer, got a number with a fractional part"),
    _("Input should be a valid number"),
    _("Input should be a valid number, unable to parse string as a number"),
    _("Input should be a finite number"),
    _("Input should be a valid boolean"),
    _("Input should be a valid boolean, unable to interpret input"),
    _("Input should be a valid decimal"),
    _("Input should be a valid list"),
    _("Input should be a valid dictionary"),
    _("Input should be greater than or equal to %(limit)s"),
    _("Input should be greater than %(limit)s"),
    _("Input should be less than or equal to %(limit)s"),
    _("Input should be less than %(limit)s"),
    _("Input should be a multiple of %(number)s"),
    _("String should match pattern '%(pattern)s'"),
    _("String should have at least %(count)s characters"),
    _("String should have at most %(count)s characters"),
    _("List should have at least %(least)s items after validation, not %(count)s"),
    _("List should have at most %(most)s items after validation, not %(count)s"),
    _("Decimal input should have no more than %(count)s digits in total"),
    _("Decimal input should have no more than %(count)s decimal places"),
    _("Input should be %(choices)s"),
    _("Input should be a valid date"),
    _("Input should be a valid date or datetime, %(error)s"),
    _("Input should be a valid datetime, %(error)s"),
    _("Input should be a valid datetime or date, %(error)s"),
    _("Input should be in a valid time format, %(error)s"),
    _("Input should be a valid timedelta, %(error)s"),
    _("Input should have timezone info"),
    _("Input should not have timezone info"),
    _("Input should be a valid URL, %(error)s"),
    _("URL scheme should be %(schemes)s"),
    _("Input should be a valid UUID, %(error)s"),
    _("Invalid JSON: %(error)s"),
    _("Path does not point to a file"),
    _("Path does not point to a directory"),
    _("Value error, %(error)s"),
    _("Assertion failed, %(error)s"),
    _("Invalid value (the message is withheld because it quotes a secret)."),
    _("no such field; there are: %(fields)s"),
    _("belongs to %(fields)s, which was changed: enter this secret again"),
)
_PLURALS = ("characters", "items", "digits", "places")


def localize(message: str) -> str:
    """Return ``message`` in the language of the request, if it is one of those that can be translated."""
    for template, pattern in _get_patterns():
        if found := pattern.fullmatch(message):
            text = gettext(template)
            return message if text == template else text % (found.groupdict() or ())
    return message


@lru_cache(maxsize=1)
def _get_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((template, _make_pattern(template)) for template in _TEMPLATES)


def _make_pattern(template: str) -> re.Pattern[str]:
    pattern = re.escape(template)
    for plural in _PLURALS:
        pattern = pattern.replace(plural, f"{plural}?")
    pattern = re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", pattern)
    return re.compile(pattern.replace("(?P<choices>.+)", r"(?P<choices>['\d-].*)"), re.DOTALL)
