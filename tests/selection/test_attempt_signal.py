"""``plugin_attempted`` tells what came of each attempt, and never what an error says."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from django_plugin_system import (
    AllPluginsFailed,
    PluginCredentialsRefused,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
    failover,
    get_plugin,
    report_failure,
    report_success,
)
from django_plugin_system.signals import PluginAttempt, plugin_attempted
from tests.support.plugins import SECRET, AbstractSms
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django_plugin_system.models import PluginInstance, PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard() -> Iterator[list[PluginAttempt]]:
    """Return what was told, to a listener that fails."""
    told: list[PluginAttempt] = []

    def listen(attempt: PluginAttempt, **_kwargs: Any) -> None:
        told.append(attempt)
        raise ZeroDivisionError

    plugin_attempted.connect(listen)
    yield told
    plugin_attempted.disconnect(listen)


@pytest.fixture
def row(provider: PluginItem) -> PluginInstance:
    """Store one instance."""
    return add_instance(item=provider)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "served"),
        (PluginUnavailable(SECRET), "unavailable"),
        (PluginCredentialsRefused(SECRET), "credentials_refused"),
        (OSError(SECRET), "failed"),
        (PluginRejected(SECRET), "rejected"),
        (PluginOutcomeUnknown(SECRET), "unknown"),
        (KeyboardInterrupt(SECRET), "raised"),
    ],
)
def test_each_outcome_is_told(
    row: PluginInstance, heard: list[PluginAttempt], error: BaseException | None, outcome: str
) -> None:
    """With the row, what was asked for, the seconds, and the class of the error without its text."""
    with suppress(AllPluginsFailed, PluginRejected, PluginOutcomeUnknown, KeyboardInterrupt):
        for attempt in failover(AbstractSms, name="main", scope=""):
            with attempt:
                for raised in filter(None, [error]):
                    raise raised
    (told,) = heard
    assert (told.instance, told.plugin_type, told.name, told.scope) == (row, "sms", "main", "")
    assert (told.outcome, told.error_class) == (outcome, None if error is None else type(error))
    assert told.seconds is not None
    assert told.seconds >= 0
    assert SECRET not in repr(told)
    with pytest.raises(dataclasses.FrozenInstanceError):
        told.name = "other"  # type: ignore[misc]


def test_reports_are_told_as_well(row: PluginInstance, heard: list[PluginAttempt]) -> None:
    """Without seconds, and without what was asked for, which nobody knows any more."""
    plugin = get_plugin(AbstractSms, name="main")
    report_success(plugin)
    report_failure(plugin, OSError("down"))
    assert [(told.instance, told.outcome, told.plugin_type) for told in heard] == [
        (row, "served", "sms"),
        (row, "failed", "sms"),
    ]
    assert {(told.name, told.scope, told.seconds) for told in heard} == {(None, None, None)}
