"""What the package promises about its speed, as ratios of what ``bench.compare`` measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

STRICT, BOUNDED = "1.2, 10 instances, strict", "1.2, 10 instances, bounded"
MANY = "1.2, 100,000 instances"
BOTH = ("sqlite", "postgres")


class Claim(NamedTuple):
    """``slow`` takes at least, or at most, so many times as long as ``fast``."""

    slow: str
    fast: str
    at_least: float | None = None
    at_most: float | None = None
    vendors: tuple[str, ...] = BOTH

    def judge(self, found: Mapping[str, float]) -> str:
        """Return a line that says whether it holds."""
        ratio = found[self.slow] / found[self.fast]
        holds = (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)
        bound = f"at most {self.at_most}" if self.at_least is None else f"at least {self.at_least}"
        return f"{'yes' if holds else 'NO '}  {ratio:>9,.2f} ({bound}): {self.slow} / {self.fast}"


CLAIMS = (
    Claim("1.1.0", STRICT, at_least=20, vendors=("sqlite",)),
    Claim("2.0.9, 1 instance", STRICT, at_least=80, vendors=("sqlite",)),
    Claim(STRICT, "bare SELECT of one row", at_most=1.3, vendors=("postgres",)),
    Claim("1.1.0", BOUNDED, at_least=150, vendors=("sqlite",)),
    Claim(BOUNDED, "dict look-up and class call", at_most=10),
    Claim(f"{MANY}, strict", STRICT, at_most=1.2),
    Claim(f"{MANY}, bounded", BOUNDED, at_most=1.2),
    Claim(f"{MANY}, first call", "1.2, 10 instances, first call", at_most=1.2),
    Claim(f"{MANY}, first call, no name", "1.2, 10 instances, first call, no name", at_most=1.2),
)
