"""Whatever providers do, in whatever order: a failover never goes on after a final word, and skips nobody healthy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from django_plugin_system import (
    AllPluginsFailed,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
    failover,
)
from django_plugin_system.models import PluginHealth, PluginInstance
from tests.support.health import set_health
from tests.support.plugins import AbstractSms
from tests.support.rows import add_instance

pytestmark = pytest.mark.django_db

NAMES = ("a", "b", "c", "d")
OUTCOMES: dict[str, Exception | None] = {
    "serves": None,
    "is unavailable": PluginUnavailable("down"),
    "fails": OSError("down"),
    "has a bug": TypeError("bug"),
    "rejects": PluginRejected("bad request"),
    "may have done it": PluginOutcomeUnknown("timed out"),
}
outcomes = st.fixed_dictionaries({name: st.sampled_from(sorted(OUTCOMES)) for name in NAMES})


Call = Callable[[dict[str, str], list[str], dict[str, Any]], None]


def _act(outcome: dict[str, str], tried: list[str], name: str) -> None:
    """Do what the provider ``name`` does."""
    tried.append(name)
    error = OUTCOMES[outcome[name]]
    if error is not None:
        raise error


def _run(outcome: dict[str, str], tried: list[str], options: dict[str, Any]) -> None:
    for attempt in failover(AbstractSms, **options):
        with attempt:
            _act(outcome, tried, attempt.instance.name)


@async_to_sync
async def _run_async(outcome: dict[str, str], tried: list[str], options: dict[str, Any]) -> None:
    async for attempt in failover(AbstractSms, **options):
        async with attempt:
            _act(outcome, tried, attempt.instance.name)


class FailoverMachine(RuleBasedStateMachine):
    """Four instances; each rule is a call of a failover, an operator's change, or time that passes."""

    def __init__(self) -> None:
        """Begin with four healthy, enabled instances."""
        super().__init__()
        self.enabled = set(NAMES)
        self.cooling: list[str] = []
        """Who is set aside, the next one to come back first."""
        self.sick: set[str] = set()
        """Who has failed and not served since."""
        self.claimed: set[str] = set()
        """Who was tried before the end of the cooldown, in vain: for as long as another cooldown, nobody is again."""
        self.hours = 0
        """The last cooldown; each is longer than those before it, so that the order of coming back is known."""

    @initialize()
    def begin(self) -> None:
        """Store them anew."""
        PluginInstance.objects.all().delete()
        for priority, name in enumerate(NAMES):
            add_instance(name, priority=priority)

    @rule(
        outcome=outcomes, idempotent=st.booleans(), narrow=st.booleans(), fail_over=st.sampled_from([_run, _run_async])
    )
    def call(self, outcome: dict[str, str], fail_over: Call, *, idempotent: bool, narrow: bool) -> None:
        """Call a failover, and compare whom it tried with what the contract says."""
        options: dict[str, Any] = {"idempotent": idempotent, **({"retry_on": OSError} if narrow else {})}
        expected, last_word = self._predict(outcome, options)
        tried: list[str] = []
        raised: object = None
        expected_errors: tuple[type[Exception], ...] = (
            AllPluginsFailed,
            LookupError,
            *map(type, filter(None, OUTCOMES.values())),
        )
        try:
            fail_over(outcome, tried, {"cooldown": self._next_cooldown(), **options})
        except expected_errors as error:
            raised = error
        assert tried == expected
        assert raised is last_word or (
            last_word is AllPluginsFailed and isinstance(raised, (AllPluginsFailed, LookupError))
        )

    def _next_cooldown(self) -> float:
        self.hours += 1
        return 3600.0 * self.hours

    def _predict(self, outcome: dict[str, str], options: dict[str, Any]) -> tuple[list[str], object]:
        healthy = [name for name in NAMES if name in self.enabled and name not in self.cooling]
        waiting = [name for name in self.cooling if name in self.enabled and name not in self.claimed]
        expected: list[str] = []
        suspects: list[str] = []
        for name in healthy or waiting[:1]:
            expected.append(name)
            error = OUTCOMES[outcome[name]]
            if error is None:
                self.cooling = [other for other in self.cooling if other != name]
                self.sick.discard(name)
                self.claimed.discard(name)
                for suspect in suspects:
                    self._cool_down(suspect)
                return expected, None
            if not _leads_on(error, options):
                return expected, error
            if isinstance(error, (PluginUnavailable, PluginOutcomeUnknown)):
                self._cool_down(name)
            else:
                suspects.append(name)
        return expected, AllPluginsFailed

    def _cool_down(self, name: str) -> None:
        if name in self.cooling or name in self.sick:
            self.claimed.add(name)
        self.sick.add(name)
        self.cooling = [*(other for other in self.cooling if other != name), name]

    @rule(name=st.sampled_from(NAMES))
    def switch(self, name: str) -> None:
        """An operator disables or enables an instance."""
        self.enabled ^= {name}
        status = "active" if name in self.enabled else "disable"
        PluginInstance.objects.filter(name=name).update(status=status)

    @rule()
    def wait(self) -> None:
        """The first cooldown ends."""
        if self.cooling:
            past = timezone.now() - dt.timedelta(seconds=1)
            self.claimed.discard(self.cooling[0])
            rows = PluginInstance.objects.filter(name=self.cooling.pop(0))
            set_health(rows, unavailable_until=past, claimed_until=None)

    @invariant()
    def rows_tell_the_same(self) -> None:
        """The database agrees on who is set aside, in which order they come back."""
        cooling = PluginHealth.objects.filter(unavailable_until__gt=timezone.now()).order_by("unavailable_until")
        assert [health.instance.name for health in cooling] == self.cooling


def _leads_on(error: Exception, options: dict[str, Any]) -> bool:
    if isinstance(error, PluginRejected):
        return False
    if isinstance(error, PluginOutcomeUnknown):
        return bool(options["idempotent"])
    return isinstance(error, (PluginUnavailable, options.get("retry_on", Exception)))


@pytest.mark.usefixtures("provider")
def test_no_sequence_of_outcomes_breaks_the_contract() -> None:
    """No provider is called after PluginRejected or PluginOutcomeUnknown, and no healthy one is left out."""
    quick = settings(
        max_examples=25,
        stateful_step_count=12,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    with transaction.atomic():
        run_state_machine_as_test(FailoverMachine, settings=quick)
