"""Many cases of one behaviour in one test: pytest's own work for a test is more than most of them take."""

from __future__ import annotations

import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

if sys.version_info < (3, 11):  # pragma: no cover - make test runs on a later one
    from exceptiongroup import ExceptionGroup


def tried_on(cases: Iterable[tuple[str, dict[str, Any]]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a test try all ``cases``, each the name of a case and arguments; every one that fails is named.

    They share the fixtures: for tests that leave nothing behind.
    """
    told = list(cases)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            failed: dict[str, Exception] = {}
            for name, arguments in told:
                try:
                    test(**fixtures, **arguments)
                except Exception as error:  # noqa: BLE001, PERF203 - told below, with the others
                    failed[name] = error
            if failed:
                raise ExceptionGroup(f"{len(failed)} of {len(told)} cases: {', '.join(failed)}", [*failed.values()])

        given = {name for _case, arguments in told for name in arguments}
        signature = inspect.signature(test)
        kept = [parameter for name, parameter in signature.parameters.items() if name not in given]
        run.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined] # what pytest reads
        return run

    return decorate


def each(name: str, values: Iterable[Any], show: Callable[[Any], str] = repr) -> list[tuple[str, dict[str, Any]]]:
    """Return a case for each of ``values``, the argument ``name``."""
    return [(show(value), {name: value}) for value in values]
