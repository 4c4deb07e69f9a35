"""What happens when a piece the tests need is not on this machine."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def is_ci() -> bool:
    """Return whether ``CI=true`` says that every piece must be there."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test with ``reason``, or fail it where everything must be there.

    :raises pytest.skip.Exception: on a developer's machine.
    :raises pytest.fail.Exception: with ``CI=true``.
    """
    if is_ci():
        pytest.fail(f"{reason} (a failure because CI=true)", pytrace=False)
    pytest.skip(reason)
