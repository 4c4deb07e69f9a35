"""Text that came from elsewhere, made fit for a terminal."""

from __future__ import annotations


def make_printable(text: str) -> str:
    """Return ``text`` with an escape in the place of each character that a terminal may obey or cannot show."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
