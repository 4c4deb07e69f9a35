"""What pydantic and the codec say about a value, in plain words and in the operator's language.

Both say it in English, for logs and programs. What is not listed here, or an author's own message, is shown as it is.
"""

from __future__ import annotations

import re

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

_WORDS = {  # of two that fit one message, the more exact one first; some are Django's own, with its translations
    r"Field required": "This field is required.",
    r"Extra inputs are not permitted": _("Extra inputs are not permitted"),
    r"Input should be a valid string": _("Enter a text."),
    r"Input should be a valid integer(, .+)?": "Enter a whole number.",
    r"Input should be a (valid number|valid decimal|finite number)(, .+)?": "Enter a number.",
    r"Input should be a valid boolean(, .+)?": _("Choose yes or no."),
    r"Input should be a valid list": _("Input should be a valid list"),
    r"Input should be a valid dictionary": _("Input should be a valid dictionary"),
    r"Input should be greater than or equal to (?P<limit>.+)": _("Enter %(limit)s or more."),
    r"Input should be greater than (?P<limit>.+)": _("Enter more than %(limit)s."),
    r"Input should be less than or equal to (?P<limit>.+)": _("Enter %(limit)s or less."),
    r"Input should be less than (?P<limit>.+)": _("Enter less than %(limit)s."),
    r"Input should be a multiple of (?P<number>.+)": _("Enter a multiple of %(number)s."),
    r"String should match pattern '(?P<pattern>.+)'": _("This is not in the expected form."),
    r"String should have at least (?P<count>\d+) characters?": _("At least this many characters: %(count)s."),
    r"String should have at most (?P<count>\d+) characters?": _("At most this many characters: %(count)s."),
    r"\w+ should have at least (?P<count>\d+) items? after validation, not .+": _("At least this many: %(count)s."),
    r"\w+ should have at most (?P<most>\d+) items? after validation, not .+": _("At most this many: %(most)s."),
    r"Decimal input .+ no more than (?P<count>\d+) digits? in total": _("At most this many digits: %(count)s."),
    r"Decimal input .+ no more than (?P<count>\d+) decimal places?": _("At most this many decimals: %(count)s."),
    r"Input should be (?P<choices>['\d-].*)": _("Choose one of these: %(choices)s."),
    r"Input should be a valid date( or datetime, .+)?": "Enter a valid date.",
    r"Input should be a valid datetime( or date)?, .+": "Enter a valid date/time.",
    r"Input should be in a valid time format, .+": "Enter a valid time.",
    r"Input should be a valid timedelta, .+": "Enter a valid duration.",
    r"Input should have timezone info": _("Say the time zone, too: Z, or +01:00."),
    r"Input should not have timezone info": _("Enter it without a time zone."),
    r"Input should be a valid URL, .+": "Enter a valid URL.",
    r"URL scheme should be (?P<schemes>.+)": _("The address should begin with %(schemes)s."),
    r"Input should be a valid UUID, .+": "Enter a valid UUID.",
    r"Invalid JSON: (?P<error>.+)": _("Invalid JSON: %(error)s"),
    r"Path does not point to a file": _("Path does not point to a file"),
    r"Path does not point to a directory": _("Path does not point to a directory"),
    r"(Value error|Assertion failed), (?P<error>.+)": "%(error)s",
    r"Invalid value \(the message is withheld .+": _(
        "Invalid value (the message is withheld because it quotes a secret)."
    ),
    r"no such field; there are: (?P<fields>.+)": _("no such field; there are: %(fields)s"),
    r"belongs to (?P<fields>.+), which was changed: enter this secret again": _(
        "belongs to %(fields)s, which was changed: enter this secret again"
    ),
}
_EXAMPLE = _("Example: %s")


def localize(message: str, example: str = "") -> str:
    """Return ``message`` in plain words, in the language of the request, if it is one of those that are known.

    ``example`` is one for the field, which helps where a pattern says nothing to people.
    """
    for pattern, words in _WORDS.items():
        if found := re.fullmatch(pattern, message, re.DOTALL):
            said = found.groupdict()
            text = gettext(words) % (said or ())
            return " ".join([text, gettext(_EXAMPLE) % example]) if example and "pattern" in said else text
    return message
