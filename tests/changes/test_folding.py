"""The rows of earlier changes are replaced by their sum, and nobody can tell."""

from __future__ import annotations

import pytest
from django.db import transaction

from django_plugin_system import changes
from django_plugin_system.changes import FOLD_EVERY, fold_changes, note_change
from django_plugin_system.models import Change
from tests.support.elsewhere import at_level, every_level, run_elsewhere

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def test_there_are_never_many_rows() -> None:
    """However many changes there were, a selection reads a few rows."""
    for _number in range(5 * FOLD_EVERY):
        note_change("default")
    assert Change.objects.count() <= FOLD_EVERY + 2


def test_a_fold_is_not_seen() -> None:
    """What a selection compares is the same before and after; the next change differs as ever."""
    note_change("default")
    before = changes.read("default")
    fold_changes("default")
    assert changes.read("default") == before
    assert Change.objects.count() == 1
    note_change("default")
    assert changes.read("default") != before


def test_a_fold_leaves_open_changes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that is not committed yet, or that is rolled back, is neither waited for nor lost."""
    monkeypatch.setattr(changes, "FOLD_EVERY", 2**62)  # else the commit itself folds, at some numbers
    note_change("default")
    with transaction.atomic():
        note_change("default")
        inside = changes.read("default")
        fold_changes("default")  # inside a transaction, nothing is done
        run_elsewhere(lambda: fold_changes("default"))
        assert changes.read("default") == inside
    assert changes.read("default") == inside
    assert Change.objects.count() == 2


def test_a_fold_begins_anew_at_the_limit() -> None:
    """The sum never grows beyond what its column holds."""
    Change.objects.create(nonce=2**62 - 1)
    note_change("default")
    fold_changes("default")
    assert 0 <= Change.objects.get().nonce < 2**62


def fold_and_note() -> None:
    """Fold and write, again and again."""
    for _number in range(40):
        note_change("default")
        fold_changes("default")


def fold_behind_a_lock() -> None:
    """Fold while somebody holds every row."""
    with transaction.atomic():
        list(Change.objects.select_for_update())
        run_elsewhere(lambda: fold_changes("default"))


def test_many_may_fold_at_once() -> None:
    """Two that fold at the same time, or find rows locked, pass by each other; no number is counted twice or lost."""
    Change.objects.all().delete()
    Change.objects.create(nonce=0)
    fold_behind_a_lock()
    start = Change.objects.get().nonce
    noted: list[int] = []
    run_elsewhere(*[lambda: noted.extend(note_some()) for _thread in range(4)])
    assert sum(Change.objects.values_list("nonce", flat=True)) == start + sum(noted)


def note_some() -> list[int]:
    """Insert known numbers and fold in between; return the numbers."""
    for number in range(1, 30):
        Change.objects.create(nonce=number)
        fold_changes("default")
    return list(range(1, 30))


@every_level
def test_folding_fails_nobody(level: str) -> None:
    """Writers and those who fold do not fail each other, at whatever isolation level the project works."""
    with at_level(level):
        run_elsewhere(*[fold_and_note] * 4)
