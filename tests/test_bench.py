"""The measurements behind the figures of the documentation work; under load there is no error and no stale read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from bench.__main__ import MEASUREMENTS
from bench.claims import Claim

ROOT = Path(__file__).parents[1]
EXPECTED = {
    "bars": "12 instances, item's delete page",
    "compare": "1.2, 10 instances, first call, no name",
    "load": "stale: 0; errors: 0",
    "writes": "bulk_update() of 1,000 rows",
    "rotation": "verify",
    "breaker": "after a prober was killed, another one came",
    "living": "refused: 0",
    "desk": "list?state=usable",
    "mail": "a connection kept, fastest tenth",
}


@pytest.mark.usefixtures("django_db_setup")
@pytest.mark.parametrize(
    "measurement",
    [
        pytest.param(name, marks=pytest.mark.postgres if number % 2 else pytest.mark.sqlite)
        for number, name in enumerate(MEASUREMENTS)
    ],
)
def test_a_measurement_works(measurement: str) -> None:
    """Each measurement runs, in very small sizes and without the peers: every other one on either database."""
    command = [sys.executable, "-m", "bench", measurement, "--quick", "--on", settings.DATABASE]
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=unmeasured, timeout=300)
    assert run.returncode == 0, run.stderr
    assert settings.DATABASE in run.stdout
    assert EXPECTED[measurement] in run.stdout


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        (Claim("slow", "fast", at_least=20), "yes      20.00 (at least 20): slow / fast"),
        (Claim("slow", "fast", at_least=21), "NO       20.00 (at least 21): slow / fast"),
        (Claim("slow", "fast", at_most=20), "yes      20.00 (at most 20): slow / fast"),
        (Claim("slow", "fast", at_most=19), "NO       20.00 (at most 19): slow / fast"),
    ],
)
def test_a_claim_is_judged(claim: Claim, verdict: str) -> None:
    """A claim that does not hold is said not to hold."""
    assert claim.judge({"slow": 4.0, "fast": 0.2}) == verdict
