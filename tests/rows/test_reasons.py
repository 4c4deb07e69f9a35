"""A reason is English text to everyone, and can say itself in another language."""

from __future__ import annotations

import copy
import pickle

import pytest
from django.utils import translation

from django_plugin_system.rows.reasons import Reason

REASON = Reason("config invalid: %(errors)s", errors="at least 100 % of it")


def test_english_everywhere_but_on_pages() -> None:
    """The text itself does not depend on the language of the request; ``localize()`` does."""
    with translation.override("de"):
        assert str(REASON) == "config invalid: at least 100 % of it"
        assert REASON.localize() == "Konfiguration ungültig: at least 100 % of it"
        assert Reason("disabled").localize() == "deaktiviert"
    with translation.override("en"):
        assert REASON.localize() == REASON


@pytest.mark.parametrize("reason", [REASON, Reason("100 % off")])
def test_reason_survives_a_copy(reason: Reason) -> None:
    """Errors and selections that hold reasons can be copied and pickled."""
    for copied in (copy.deepcopy(reason), pickle.loads(pickle.dumps(reason))):  # noqa: S301 - our own
        assert copied == reason
        assert copied.localize() == reason.localize()
