"""How far a long run is: a bar that redraws itself on a terminal, a line for each tenth elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper

WIDTH = 30
"""Characters of a full bar."""


class Progress:
    """Shows on ``stream`` how many of ``total`` rows are done."""

    def __init__(self, stream: OutputWrapper, total: int) -> None:
        """Show nothing yet; ``total`` may turn out too small or too large."""
        self._stream = stream
        self._total = max(total, 1)
        self._on_terminal = stream.isatty()
        self._tenths = 0

    def show(self, done: int) -> None:
        """Say that ``done`` rows are done."""
        share = min(done / self._total, 1)
        text = f"{done:,} of {max(done, self._total):,} rows ({share:.0%})"
        if self._on_terminal:
            self._stream.write(f"\r[{'#' * int(share * WIDTH):.<{WIDTH}}] {text}", ending="")
        elif int(share * 10) > self._tenths:
            self._tenths = int(share * 10)
            self._stream.write(text)
        self._stream.flush()

    def end(self) -> None:
        """Leave the bar's line; to be called once, after the last ``show``."""
        if self._on_terminal:
            self._stream.write("")
