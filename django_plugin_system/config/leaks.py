"""Whether a text quotes a secret, in any of the forms in which programs write one."""

from __future__ import annotations

import base64
import html
import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress

from django.views.decorators.debug import sensitive_variables

from django_plugin_system.exceptions import make_printable

_SHORT = 4
"""Characters of a secret from which on a text that is not an author's can quote it other than by chance."""
_ENCODABLE = 6
"""Bytes of a secret from which on its encoded forms do not stand in other texts by chance."""
_LONG = 8
"""Characters of a line that is looked for on its own."""
_MOST_ROUNDS = 8
"""So often a text may be encoded in itself; one that still is not plain then is not shown."""

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
    whole = f"{text} {error.object!s}" if isinstance(error, (UnicodeEncodeError, UnicodeDecodeError)) else text
    if quotes(whole, known):  # such an error says one character of it, and where that stands
        withheld = "the message quotes a secret, so it is withheld"
        text = withheld if quotes(name, known) else f"{name}: {withheld}"
    shown = make_printable(text[: MAX_LENGTH + 1])
    return shown if len(shown) <= MAX_LENGTH else f"{shown[: MAX_LENGTH - 1]}…"


def quotes(text: str, secrets: Iterable[str], *, authored: bool = True) -> bool:
    """Say whether ``text`` quotes one of ``secrets``, as it is or after whatever is encoded in it was decoded.

    pydantic's own messages (not ``authored``) encode nothing, and quote no input: there, a secret of up to three
    characters does not count, as it stands in every other word.
    """
    stages = _decode(text)
    if len(stages) > _MOST_ROUNDS:
        return True
    mailed = _QUOTED_PRINTABLE.sub(lambda found: chr(int(found[1], 16)) if found[1] else "", text)
    stages += _decode(mailed) if mailed != text else ()
    written, joined = "\n".join(stages), "\n".join(map(_join, stages))
    shortest = 1 if authored else _SHORT
    return any(_has(secret, written, joined, authored=authored) for secret in secrets if len(secret) >= shortest)


def _has(secret: str, written: str, joined: str, *, authored: bool) -> bool:
    """Say whether ``secret`` stands in a text as it is ``written``, or in its letters and digits ``joined``."""
    if any(form in written for form in _iter_written(secret)):
        return True
    if any(len(form) >= _SHORT and form in joined for form in map(_join, _decode(secret))):
        return True
    return authored and any(_join(form) in joined for form in _iter_encoded(secret))


_BYTES = re.compile(r"(?:%|\\x)([0-9a-f]{2})|\\([0-3][0-7]{2})", re.IGNORECASE)
_QUOTED_PRINTABLE = re.compile(r"=(?:([0-9A-F]{2})|\r?\n)")
"""As mails have it; read on its own, as in an address ``=`` stands before a value."""
_UNICODE = re.compile(r"(?:\\u|%u)([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\u\{([0-9a-fA-F]{1,6})\}")


def _decode(text: str) -> list[str]:
    r"""Return ``text`` and what comes of it, step by step, until nothing in it is encoded, or for too many steps.

    Read are ``%2F``, ``&#39;``, ``\x2f``, ``\057``, ``\u002f``, ``\n``, UTF-8 taken for Latin-1, and UTF-16 that has a
    NUL beside each character.
    """
    stages = [text]
    while len(stages) <= _MOST_ROUNDS:
        text = html.unescape(re.sub(r"\\{2,}", r"\\", stages[-1].replace("\0", "")))
        text = _UNICODE.sub(_to_char, text)
        text = _BYTES.sub(lambda found: chr(int(found[1], 16) if found[1] else int(found[2], 8)), text)
        text = re.sub(r"\\0", "", re.sub(r"\\[abefnrtv]", "\n", text))
        text = re.sub(r"[\x80-\xff]{2,}", _to_utf8, text)
        text = re.sub(r"[\ud800-\udbff][\udc00-\udfff]", _to_pair, text)
        if text == stages[-1]:
            break
        stages.append(text)
    return stages


def _to_char(found: re.Match[str]) -> str:
    code = int(found[1] or found[2] or found[3], 16)
    return chr(code) if code <= sys.maxunicode else ""


def _to_utf8(found: re.Match[str]) -> str:
    with suppress(UnicodeDecodeError):
        return found[0].encode("latin-1").decode()
    return found[0]


def _to_pair(found: re.Match[str]) -> str:
    return found[0].encode("utf-16", "surrogatepass").decode("utf-16")


def _join(text: str) -> str:
    """Return the letters and digits of ``text``, all small: programs add quotes, colons, line breaks and capitals."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).casefold())


def _iter_written(secret: str) -> Iterator[str]:
    """Yield ``secret`` as it is, by line, as a number."""
    yield secret
    yield from (line for line in map(str.strip, secret.splitlines()) if len(line) >= _LONG)
    with suppress(ValueError):
        yield str(int(secret))
    with suppress(ValueError):
        yield str(float(secret))


def _iter_encoded(secret: str) -> Iterator[str]:
    """Yield ``secret`` as hexadecimal digits and base64 write it, also inside something longer."""
    for raw in _iter_bytes(secret):
        if len(raw) < _ENCODABLE:
            continue
        yield raw.hex()
        for lead in range(3):
            text = base64.b64encode(b"\0" * lead + raw).decode().rstrip("=")
            yield text[-(-lead * 4 // 3) : (lead + len(raw)) * 4 // 3]  # without what depends on the neighbours


def _iter_bytes(secret: str) -> Iterator[bytes]:
    """Yield ``secret`` as programs send it: as UTF-8, or Latin-1; bytes that are neither stand in it escaped."""
    try:
        yield secret.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        yield secret.encode(errors="surrogatepass")
    with suppress(UnicodeEncodeError):
        yield secret.encode("latin-1")
