"""Mirror what code declares into the tables; nothing that anything hangs on is deleted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.apps import apps
from django.conf import settings
from django.db import connections, models, router, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from django_plugin_system.changes import TABLE, announce_instances, changing
from django_plugin_system.compat import ReadsAsDict  # RemovedInPluginSystem30Warning
from django_plugin_system.exceptions import ConfigError
from django_plugin_system.models import PluginHealth, PluginInstance, PluginItem, PluginStatus, PluginType
from django_plugin_system.querysets import DEFAULT_NAME, UNTOUCHED, add_health
from django_plugin_system.registry import ItemSpec, TypeKey, registry
from django_plugin_system.rows.fields import StoredConfig
from django_plugin_system.schema.values import is_same

if TYPE_CHECKING:
    from pydantic import BaseModel

Mode = Literal["create", "update", "upgrade"]
BATCH_SIZE = 200
"""How many configurations are written in one transaction."""
_LOCK = f"SELECT pg_advisory_xact_lock(1685091121, ('{TABLE}'::regclass::oid::bigint % 2147483647)::int)"
"""The first number stands for this package ("dps1"), the second one for the schema."""
_NAMESPACE = uuid.UUID("5b3a2f6e-6d0b-4b53-9d7c-2f6a0a4b8c11")
"""Of the ids that a sync gives."""


@dataclass(frozen=True, eq=False)
class SyncResult(
    ReadsAsDict,  # RemovedInPluginSystem30Warning
):
    """How many rows a sync made, found, changed and pruned."""

    types_created: int = 0
    types_found: int = 0
    items_created: int = 0
    items_found: int = 0
    pruned_types: int = 0
    pruned_items: int = 0
    types_updated: int = 0
    items_updated: int = 0
    instances_created: int = 0
    configs_upgraded: int = 0
    configs_failed: int = 0
    config_problems: tuple[str, ...] = ()
    """A line for each config that could not be brought into its new form: which row, and why."""


@dataclass
class _Plan:
    """What a sync would do: which rows it finds, and which it makes, changes and prunes."""

    types_found: list[PluginType] = field(default_factory=list)
    types_created: list[PluginType] = field(default_factory=list)
    types_updated: list[PluginType] = field(default_factory=list)
    items_found: list[PluginItem] = field(default_factory=list)
    items_created: list[PluginItem] = field(default_factory=list)
    items_updated: list[PluginItem] = field(default_factory=list)
    instances_created: list[PluginInstance] = field(default_factory=list)
    pruned_items: list[PluginItem] = field(default_factory=list)
    pruned_types: list[PluginType] = field(default_factory=list)
    taken: set[uuid.UUID] = field(default_factory=set)
    """The ids of types and items that are there."""

    def make_id(self, *names: object) -> uuid.UUID:
        """Return the id of a new row: the same in every database, so that a dump of one can be loaded into another.

        It is any other where a row has it that got other names since.
        """
        found = uuid.uuid5(_NAMESPACE, json.dumps(names))
        return uuid.uuid4() if found in self.taken else found


def sync_registered_plugins_to_db(
    *, mode: Mode = "create", prune: bool = True, dry_run: bool = False, using: str | None = None
) -> SyncResult:
    """Bring the tables in line with the registry, in one transaction and few queries, while no other sync does so.

    ``create`` adds what is missing and leaves every row as it is. ``upgrade`` also writes configurations of older
    versions in their new form, a batch in a transaction; processes of older code skip such a row. ``update`` does that,
    too, and refreshes descriptions and priorities from code (never a status). ``prune`` deletes types and items whose
    app is not installed, whose code is not registered and on which nothing hangs. ``dry_run`` only says what would
    happen.
    """
    alias = using or router.db_for_write(PluginItem)
    if dry_run:
        plan = _make_plan(mode, alias, prune=prune)
    else:
        with excluding_syncs(alias), changing(alias):
            plan = _make_plan(mode, alias, prune=prune)
            _apply(plan, alias)
    declared = [*plan.items_found, *plan.items_created]
    upgraded, problems = _upgrade_configs(declared, alias, dry_run=dry_run) if mode != "create" else (0, [])
    counts = {name: len(rows) for name, rows in vars(plan).items() if isinstance(rows, list)}
    further = {"configs_upgraded": upgraded, "configs_failed": len(problems)}
    return SyncResult(**counts, **further, config_problems=tuple(problems))


@contextmanager
def excluding_syncs(alias: str) -> Iterator[None]:
    """Open a transaction and keep other syncs out until it ends; SQLite keeps all other writers out anyway."""
    connection = connections[alias]
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(using=alias, savepoint=False):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                if is_outermost:  # so that, at any level, what another sync wrote is seen after waiting for it
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cursor.execute(_LOCK)
        yield


def _make_plan(mode: Mode, alias: str, *, prune: bool) -> _Plan:
    types = {row.key: row for row in PluginType.objects.using(alias)}
    plan = _Plan(taken={row.pk for row in types.values()})
    _plan_types(plan, types, mode)
    has_instance = Exists(PluginInstance.objects.using(alias).filter(item=OuterRef("pk")))
    rows = PluginItem.objects.using(alias).select_related("plugin_type").annotate(has_instance=has_instance)
    items = {(row.name, row.module, row.plugin_type.key): row for row in rows}
    plan.taken |= {row.pk for row in items.values()}
    for key, spec in registry.items.items():
        _plan_item(plan, items.get(key), spec, types[key[2]], mode)
    if prune:
        _plan_pruning(plan, types.values(), items.values(), alias)
    return plan


def _plan_types(plan: _Plan, types: dict[TypeKey, PluginType], mode: Mode) -> None:
    for key, spec in registry.types.items():
        row = types.get(key)
        if row is None:
            pk = plan.make_id(*key)
            types[key] = PluginType(pk=pk, name=spec.name, manager=spec.manager, description=spec.description)
            plan.types_created.append(types[key])
            continue
        plan.types_found.append(row)
        if mode == "update" and row.description != spec.description:
            row.description = spec.description
            plan.types_updated.append(row)


def _plan_item(plan: _Plan, row: PluginItem | None, spec: ItemSpec, plugin_type: PluginType, mode: Mode) -> None:
    values = {"description": spec.description, "priority": spec.priority}
    if row is None:
        pk = plan.make_id(spec.name, spec.module, *plugin_type.key)
        row = PluginItem(pk=pk, plugin_type=plugin_type, module=spec.module, name=spec.name, **values)
        plan.items_created.append(row)
    else:
        plan.items_found.append(row)
        if mode == "update" and any(getattr(row, name) != value for name, value in values.items()):
            row.description, row.priority = spec.description, spec.priority
            plan.items_updated.append(row)
    if not getattr(row, "has_instance", False) and _needs_no_config(spec.config.schema):
        made = PluginInstance(item=row, name=DEFAULT_NAME, config=StoredConfig(), config_version=spec.config.version)
        made.pk = plan.make_id(spec.name, spec.module, *plugin_type.key, DEFAULT_NAME)
        plan.instances_created.append(made)


def _needs_no_config(schema: type[BaseModel] | None) -> bool:
    if schema is None:
        return True
    try:
        schema.model_validate_json("{}")
    except Exception:  # noqa: BLE001 - foreign code
        return False
    return True


def _makes_up_values(schema: type[BaseModel] | None) -> bool:
    """Say whether a default factory gives another value each time: what it made is stored, once and for all."""
    if schema is None:
        return False
    one, other = schema.model_validate_json("{}"), schema.model_validate_json("{}")
    return not is_same(one, other)


def _plan_pruning(plan: _Plan, types: Iterable[PluginType], items: Iterable[PluginItem], alias: str) -> None:
    installed = {config.name for config in apps.get_app_configs()} | set(settings.INSTALLED_APPS)
    lost = [row for row in items if row.module not in installed and not row.is_registered]
    plan.pruned_items = _keep_unused(PluginItem, lost, alias)
    needed = {row.plugin_type_id for row in {*items} - {*plan.pruned_items}}
    gone = [row for row in types if row.manager not in installed and not row.is_registered and row.pk not in needed]
    plan.pruned_types = _keep_unused(PluginType, gone, alias, ignore=PluginItem)


def _keep_unused(
    model: type[Any], rows: Sequence[Any], alias: str, ignore: type[models.Model] | None = None
) -> list[Any]:
    """Return those of ``rows`` that no row of any model points at; an untouched default instance does not count."""
    if not rows:
        return []
    tables = set(connections[alias].introspection.table_names(include_views=True))
    unused = _leave_out_used(model.objects.using(alias).all(), tables, ignore)
    keys = set(unused.values_list("pk", flat=True))
    return [row for row in rows if row.pk in keys]


def _leave_out_used(rows: Any, tables: set[str], ignore: type[models.Model] | None = None) -> Any:
    """Return the queryset ``rows`` without those that a row of another model points at.

    Nothing is left of it while the table of such a model is not there yet: its migrations are still to come.
    """
    relations = [one for one in rows.model._meta.get_fields(include_hidden=True) if one.auto_created]
    for key in [one.field for one in relations if not one.concrete and not one.many_to_many and one.field.concrete]:
        if key.model in {ignore, PluginHealth}:
            continue
        if key.model._meta.db_table not in tables:
            return rows.none()
        pointing = key.model._base_manager.using(rows.db).filter(**{f"{key.name}__isnull": False})
        if key.model is PluginInstance:
            as_made = pointing.filter(UNTOUCHED, status=PluginStatus.ACTIVE, priority=None, description="")
            pointing = pointing.exclude(pk__in=_leave_out_used(as_made, tables).values("pk"))
        rows = rows.exclude(pk__in=pointing.values(key.attname))
    return rows


def _apply(plan: _Plan, alias: str) -> None:
    PluginType.objects.using(alias).bulk_create(plan.types_created)
    PluginItem.objects.using(alias).bulk_create(plan.items_created)
    if plan.instances_created:  # nobody typed their config; an operator may have added one of the same name meanwhile
        plain: QuerySet[PluginInstance] = QuerySet(PluginInstance, using=alias)
        moved = plain.in_bulk([row.pk for row in plan.instances_created])  # to another item, and so these ids are taken
        for row in plan.instances_created:
            row.pk = uuid.uuid4() if row.pk in moved else row.pk
            if _makes_up_values(row.item.config_schema):
                with suppress(ConfigError):  # then each reading says so
                    row.set_config({})
        plain.bulk_create(plan.instances_created, ignore_conflicts=True)
        announce_instances(PluginInstance, alias, [row.pk for row in plan.instances_created])
    add_health(PluginInstance, alias)
    PluginType.objects.using(alias).bulk_update(plan.types_updated, ["description"], BATCH_SIZE)
    PluginItem.objects.using(alias).bulk_update(plan.items_updated, ["description", "priority"], BATCH_SIZE)
    for model, rows in ((PluginItem, plan.pruned_items), (PluginType, plan.pruned_types)):
        if rows:
            model.objects.using(alias).filter(pk__in=[row.pk for row in rows]).delete()


def _upgrade_configs(items: Iterable[PluginItem], alias: str, *, dry_run: bool) -> tuple[int, list[str]]:
    """Write what classes store otherwise by now; return how many rows that were, and a line for each that stays."""
    rows = PluginInstance.objects.using(alias).select_related("item__plugin_type")
    may_be_outdated = Q(pk__in=[])
    for item in items:
        declared = item.declared
        if declared is not None and (declared.version > 1 or declared.is_bound):
            is_older = Q() if declared.is_bound else Q(config_version__lt=declared.version)
            may_be_outdated |= Q(item=item.pk) & is_older
    keys = list(rows.filter(may_be_outdated).order_by("pk").values_list("pk", flat=True))
    upgraded, problems = 0, []
    for start in range(0, len(keys), BATCH_SIZE):
        reasons = rows.filter(pk__in=keys[start : start + BATCH_SIZE]).renew_configs(dry_run=dry_run)
        problems += [f"{row}: {reason}" for row, reason in reasons.items() if reason]
        upgraded += list(reasons.values()).count(None)
    return upgraded, sorted(problems)
