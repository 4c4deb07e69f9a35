"""Run Python examples in a Django project, as somebody would who types them into ``manage.py shell``.

A script of its own: ``python session.py`` in the project's folder, with the blocks as JSON on standard input.
"""

from __future__ import annotations

import doctest
import json
import os
import sys
from typing import Any

import django

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_block(block: dict[str, Any], namespace: dict[str, Any]) -> int:
    """Run one block in ``namespace``; return how many of its examples gave something else than it shows."""
    path, line, text = block["path"], block["line"], block["text"]
    if block["language"] == "python":
        exec(compile("\n" * (line - 1) + text, path, "exec"), namespace)  # noqa: S102 - runs the documentation
        return 0
    test = doctest.DocTestParser().get_doctest(text, namespace, f"{path}:{line}", path, line - 1)
    failed = doctest.DocTestRunner(optionflags=FLAGS).run(test, clear_globs=False).failed
    namespace.update(test.globs)
    return failed


def main() -> None:
    """Set Django up and run the blocks in one namespace; exit with status 1 if one of them fails."""
    sys.path[0] = os.getcwd()  # noqa: PTH109 - the very text that manage.py puts there
    django.setup()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    sys.exit(min(1, sum(run_block(block, namespace) for block in json.load(sys.stdin))))


if __name__ == "__main__":
    main()
