"""What is wrong with the instances of a database: one look at each, and a message for each kind of trouble."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from django.core.checks import ERROR, INFO, WARNING, CheckMessage
from django.db.models import Count

from django_plugin_system import exceptions
from django_plugin_system.conf import get_settings
from django_plugin_system.config.keyring import get_keyring
from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import TypeKey, registry
from django_plugin_system.rotation import count_rows_by_key
from django_plugin_system.rows.config import find_plain_secrets, is_outdated
from django_plugin_system.rows.reasons import describe_row_error, find_row_reason, find_status_reason

if TYPE_CHECKING:
    from django_plugin_system.querysets import PluginInstanceQuerySet

PAGE = 500
"""How many instances are read at once."""
LISTED = 10
"""How many instances one message names."""
MOST_REASONS = 5
"""How many reasons a hint gives."""


class Trouble(NamedTuple):
    """One kind of trouble that instances may have."""

    id: str
    text: str
    hint: str

    @property
    def level(self) -> int:
        """How bad it is, as the first letter of its id says."""
        return WARNING if self.id.startswith("W") else INFO


GONE = Trouble("W006", "have an item whose code is gone", "Install its app again, or delete the instances.")
UNREADABLE = Trouble("W007", "hold a secret that does not open", "Enter the secret again: plugins set.")
PLAIN = Trouble("W008", "hold a secret in plain text", "Run manage.py pluginrotate, which encrypts it.")
UNRESOLVED = Trouble(
    "W009", "refer to what is not there", "Set the variable or put the file there, and list it in the settings."
)
NEWER = Trouble("W010", "were stored by newer code", "Deploy that code; they are not used until then.")
INVALID = Trouble("W011", "have a configuration that is not valid", "Edit it, or add a step to migrate_config.")
REFUSED = Trouble(
    "W012",
    "need attention: the provider refused their credentials",
    "Enter them again: plugins set. If they are right, plugins enable tries them again.",
)
OLDER = Trouble(
    "I001",
    "are stored in an older form",
    "Run manage.py pluginsync --mode upgrade, once no process runs the older code any more.",
)
KEYLESS = Trouble("W004", "", "")
"""Of this, a message of its own names the key, and counts the instances."""
ALONE = Trouble("I002", "serve their name alone, without a standby", "Add a second one, in reserve for example.")


_USABLE = {None, PLAIN, OLDER}


def iter_troubles(using: str, on_page: Callable[[int, int], object] | None = None) -> Iterator[CheckMessage]:
    """Look at every instance, a page at a time, and yield a message for each kind of trouble that some have."""
    rows = PluginInstance.objects.using(using).select_related("item__plugin_type", "health").order_by("pk")
    total, done = rows.count(), 0
    found: dict[Trouble, list[str]] = {}
    serving: Counter[tuple[TypeKey, str, str]] = Counter()
    for page in iter_pages(rows):
        for row in page:
            trouble, why = _examine(row)
            if trouble not in {None, KEYLESS}:
                found.setdefault(trouble, []).append(f"{row}{why and f' ({why})'}")
            if trouble in _USABLE and find_status_reason(row) is None:
                serving[row.item.plugin_type.key, row.name, row.scope] += 1
        done += len(page)
        if on_page:
            on_page(done, total)
    if alone := list(_iter_alone(serving)):
        found[ALONE] = alone
    for trouble, some in found.items():
        more = [f"and {len(some) - LISTED:,} more"] if len(some) > LISTED else []
        named = exceptions.make_printable(", ".join([*some[:LISTED], *more]))
        text = f'{len(some):,} plugin instances in database "{using}" {trouble.text}: {named}.'
        yield CheckMessage(trouble.level, text, hint=trouble.hint, id=f"django_plugin_system.{trouble.id}")


def _iter_alone(serving: Counter[tuple[TypeKey, str, str]]) -> Iterator[str]:
    """Yield the names that one instance serves alone; what is everybody's stands by for each scope."""
    for (key, name, scope), count in serving.items():
        if count + (serving[key, name, ""] if scope else 0) == 1:
            yield f"{name} of {key[0]}{f' in scope {scope}' if scope else ''}"


def _examine(row: PluginInstance) -> tuple[Trouble | None, str]:
    """Return what is wrong with the configuration of ``row``, and where."""
    if row.is_refused:
        return REFUSED, ""
    try:
        if plain := find_plain_secrets(row):
            return PLAIN, ", ".join(map(exceptions.show_path, plain))
        row.read_state()
        return (OLDER, "") if is_outdated(row) else (None, "")
    except exceptions.UnknownKey:
        return KEYLESS, ""
    except exceptions.ConfigError as error:
        kinds = {
            exceptions.PluginNotRegistered: GONE,
            exceptions.SecretError: UNREADABLE,
            exceptions.UnresolvedReference: UNRESOLVED,
        }
        kinds |= {exceptions.NewerConfigVersion: NEWER, exceptions.ConfigError: INVALID}
        trouble = next(trouble for kind, trouble in kinds.items() if isinstance(error, kind))
        return trouble, "" if trouble is GONE else str(describe_row_error(row, error))


def iter_unused_keys(using: str) -> Iterator[CheckMessage]:
    """I003: a key is configured that no secret was encrypted with."""
    needed = count_rows_by_key(using)
    for key_id in get_keyring().key_ids[1:]:
        if not needed[key_id]:
            text = f'No secret in database "{using}" was encrypted with key {key_id}.'
            hint = "Remove it where it is configured, once no backup or history table needs it."
            yield CheckMessage(INFO, text, hint=hint, id="django_plugin_system.I003")


def iter_orphans(using: str) -> Iterator[CheckMessage]:
    """I004: instances belong to a file that the settings do not list."""
    listed = [Path(name).name for name in get_settings().INSTANCES]
    managed = PluginInstance.objects.using(using).exclude(managed_by__in=["", *listed])
    for name, count in managed.values_list("managed_by").annotate(Count("pk")).order_by("managed_by"):
        text = f'{count:,} plugin instances in database "{using}" belong to {name}, which the settings do not list.'
        hint = "List it in PLUGIN_SYSTEM['INSTANCES'], or give them to the admin: pluginapply --release."
        yield CheckMessage(INFO, exceptions.make_printable(text), hint=hint, id="django_plugin_system.I004")


def iter_unserved(using: str) -> Iterator[CheckMessage]:
    """E004: of a type's enabled instances, none can be used; E005: nobody serves a name that code asks for."""
    for spec in registry.types.values():
        rows = PluginInstance.objects.using(using).for_type(*spec.key).select_related("item__plugin_type", "health")
        if reasons := _find_obstacles(rows):
            text = f'No instance of plugin type {spec} in database "{using}" can be used.'
            hint = f"{'; '.join(reasons)}. Mend one of them, or disable them all."
            yield CheckMessage(ERROR, text, hint=hint, id="django_plugin_system.E004")
        for name in spec.names:
            if _find_obstacles(rows.named(name)) is not None:
                text = f'Code asks for {spec} named {name}, which nobody serves in database "{using}".'
                hint = f"Add an instance of that name; see manage.py plugins explain {spec.name} --name {name}."
                yield CheckMessage(ERROR, text, hint=hint, id="django_plugin_system.E005")


def _find_obstacles(rows: PluginInstanceQuerySet) -> list[str] | None:
    """Return why none of the enabled ``rows`` can be used, now or once its cooldown is over; None if one can."""
    reasons: list[str] = []
    for row in chain.from_iterable(iter_pages(rows.enabled().order_by("pk"))):
        reason = find_row_reason(row, cools_down=False)
        if reason is None:
            return None
        reasons += [f"{row}: {reason}"][: MOST_REASONS - len(reasons)]
    return reasons


def iter_pages(rows: PluginInstanceQuerySet) -> Iterator[list[PluginInstance]]:
    """Yield ``rows``, which are in the order of their keys, a page at a time: no statement stays open meanwhile."""
    page = list(rows[:PAGE])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:PAGE])
