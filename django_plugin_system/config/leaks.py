"""Whether a text quotes a secret, in any of the forms in which programs write one."""

from __future__ import annotations

import base64
import json
import unicodedata
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from django.utils.html import escape
from django.views.decorators.debug import sensitive_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHORT = 4
"""Characters of a secret from which on a text that is not an author's can quote it other than by chance."""
_ENCODABLE = 6
"""Bytes of a secret from which on its encoded forms do not stand in other texts by chance."""
_LONG = 8
"""Characters of a line that is looked for on its own."""

MAX_LENGTH = 500
"""Characters of a foreign error's text that are kept."""

WITHHELD = "Invalid value (the message is withheld because it quotes a secret)."


def scrub(message: str, secrets: Iterable[str], *, authored: bool = True) -> str:
    """Return ``message``, or a notice in its place if it quotes one of ``secrets``; see ``quotes``."""
    return WITHHELD if quotes(message, secrets, authored=authored) else message


@sensitive_variables()
def describe(error: BaseException, secrets: Iterable[str]) -> str:
    """Return the type and text of a foreign ``error``, to be stored and shown; only the type if it quotes a secret.

    Neither causes nor contexts nor the members of a group are looked at, so what they quote is never shown.
    """
    name, known = type(error).__name__, set(secrets)
    try:
        text = f"{name}: {error}".removesuffix(": ")
    except BaseException:  # noqa: BLE001 - foreign code: a __str__ may do anything
        text = name
    if quotes(text, known):
        withheld = "the message quotes a secret, so it is withheld"
        text = withheld if quotes(name, known) else f"{name}: {withheld}"
    shown = "".join(char if _is_harmless(char) else " " for char in text[:MAX_LENGTH])
    return shown if len(text) <= MAX_LENGTH else f"{shown[:-1]}…"


def _is_harmless(char: str) -> bool:
    """Say whether a character can be stored and shown: no control character, no half of a surrogate pair."""
    return char == "\n" or unicodedata.category(char) not in {"Cc", "Cs"}


def quotes(text: str, secrets: Iterable[str], *, authored: bool = True) -> bool:
    """Say whether ``text`` quotes one of ``secrets``.

    pydantic's own messages (not ``authored``) encode nothing, and quote no input: there, a secret of up to three
    characters does not count, as it stands in every other word.
    """
    written, encoded = f"{text} {_squeeze(text)}", f"{text} {''.join(text.split())}"
    for secret in secrets:
        if not secret or (not authored and len(secret) < _SHORT):
            continue
        if any(form in written for form in _iter_written(secret)):
            return True
        if authored and any(form in encoded for form in _iter_encoded(secret)):
            return True
    return False


def _iter_written(secret: str) -> Iterator[str]:
    """Yield ``secret`` as it is, escaped, re-indented, by line, as a number."""
    yield secret
    yield repr(secret)[1:-1]
    yield json.dumps(secret)[1:-1]
    yield _squeeze(secret) or secret
    yield from (line for line in map(str.strip, secret.splitlines()) if len(line) >= _LONG)
    with suppress(ValueError):
        yield str(int(secret))
    with suppress(ValueError):
        yield str(float(secret))


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _iter_encoded(secret: str) -> Iterator[str]:
    """Yield ``secret`` as URLs, HTML, bytes, hexadecimal digits and base64 write it, also inside something longer."""
    raw = secret.encode(errors="surrogatepass")
    yield from (quote(raw), quote(raw, safe=""), quote_plus(raw), escape(secret), repr(raw)[2:-1])
    if len(raw) < _ENCODABLE:
        return
    yield from (raw.hex(), raw.hex().upper())
    for lead in range(3):
        text = base64.b64encode(b"\0" * lead + raw).decode().rstrip("=")
        whole = text[-(-lead * 4 // 3) : (lead + len(raw)) * 4 // 3]  # without what depends on the neighbours
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))
