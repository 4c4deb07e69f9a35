"""What both stand-in providers take for a phone number."""

import re

_E164 = re.compile(r"\+[1-9][0-9]{7,14}")


def is_number(number: str) -> bool:
    """Say whether ``number`` is a phone number in E.164 form."""
    return _E164.fullmatch(number) is not None
