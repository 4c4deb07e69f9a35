"""Documents that commands read and write: a file, or standard input and output."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.management.base import CommandError

STANDARD = "-"
"""Stands for standard input."""
MOST_BYTES = 64 * 1024 * 1024
"""How long a document may be."""
_YAML_SUFFIXES = {".yaml", ".yml"}


def guess_format(name: str | None) -> str:
    """Return the format that the name of a file suggests: ``yaml`` or ``json``."""
    return "yaml" if name and Path(name).suffix.lower() in _YAML_SUFFIXES else "json"


def read_text(name: str) -> str:
    """Return the text of a file, or of standard input for ``-``.

    :raises CommandError: if it cannot be read, is too long, or is not UTF-8.
    """
    try:
        if name == STANDARD:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(name).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from error
    if len(content) > MOST_BYTES:
        raise CommandError(f"The document is longer than {MOST_BYTES:,} bytes: split it.")
    with suppress(UnicodeDecodeError):
        return content.decode("utf-8-sig")
    raise CommandError("The document is not UTF-8.")


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write a file that only its owner may read; ``force`` puts it in the place of one that is there.

    :raises CommandError: if there is a file and ``force`` is not given, or it cannot be written.
    """
    try:
        if force:
            _replace(path, text)
        else:
            _write(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), text)
    except FileExistsError:
        raise CommandError(f"{path} exists. Choose another name, or --force to replace it.") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def _replace(path: Path, text: str) -> None:
    """Write a new file and put it in the place of the old one in one step; a link is replaced, not followed."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        _write(descriptor, text)
        os.replace(name, path)  # noqa: PTH105 - as Path.replace
    except OSError:
        os.unlink(name)  # noqa: PTH108 - as Path.unlink
        raise


def _write(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
