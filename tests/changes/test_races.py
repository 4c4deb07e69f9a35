"""Two writers at the same moment: the one who comes second notices it, at the very statement where it matters."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.utils import timezone

from django_plugin_system import changes
from django_plugin_system.selection.health import record_failure
from tests.support.rows import add_instance, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@contextmanager
def before(text: str, act: Callable[[], object]) -> Iterator[None]:
    """Let somebody else act once, just before the first statement that begins with ``text``."""
    done: list[object] = []

    def watch(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        if sql.startswith(text) and not done:
            done.append(sql)
            act()
        return execute(sql, *args)

    with connection.execute_wrapper(watch):
        yield
    assert done


def test_two_callers_may_see_a_failure(provider: PluginItem) -> None:
    """Where two callers are about to note a failure, the second one writes nothing, not even a change."""
    row = add_instance(item=provider)
    until = timezone.now() + dt.timedelta(hours=9)
    known = changes.read("default")
    with before('UPDATE "django_plugin_system_pluginhealth"', lambda: write_raw(row.pk, unavailable_until=until)):
        record_failure(reload(row), OSError("second"), 60)
    assert (reload(row).unavailable_until, reload(row).last_error) == (until, "")
    assert changes.read("default") == known
