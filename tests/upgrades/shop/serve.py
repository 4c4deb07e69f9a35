"""``python -m tests.upgrades.shop.serve``: do what each line of standard input asks for, and answer with a line."""

from __future__ import annotations

import json
import sys
import warnings

import django


def main() -> None:
    """Start the project, then run errands until the input ends; an error is answered by its type and text."""
    warnings.simplefilter("ignore")  # of releases that are older than this Django
    django.setup()
    from tests.upgrades.shop import errands  # noqa: PLC0415 - Django must be set up first

    for line in sys.stdin:
        what, args, kwargs = json.loads(line)
        try:
            answer = {"result": getattr(errands, what)(*args, **kwargs)}
        except Exception as error:  # noqa: BLE001 - the test hears of it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer, default=str), flush=True)  # noqa: T201 - the other end reads it


if __name__ == "__main__":  # pragma: no branch - nobody imports it
    main()
