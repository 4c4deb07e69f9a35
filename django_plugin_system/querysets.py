"""Querysets of the three tables: each write notes a change, and none stores a config unchecked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, router, transaction
from django.db.models import Case, F, OuterRef, ProtectedError, Q, Subquery, Value, When, prefetch_related_objects
from django.db.models.deletion import CASCADE, Collector
from django.db.models.functions import Coalesce
from django.db.models.sql import Query
from typing_extensions import Self

from django_plugin_system.changes import announce_instances, changing, get_commit
from django_plugin_system.exceptions import ConfigError, ConfigWriteRefused, StaleConfig
from django_plugin_system.registry import registry
from django_plugin_system.rows import config as configuration
from django_plugin_system.rows.fields import PluginStatus
from django_plugin_system.rows.reasons import Reason, describe_config_error
from django_plugin_system.rows.rows import COMPARED, ChangeAnnouncingModel
from django_plugin_system.rows.traceback_safety import ConcealingManager, conceal_configs

if TYPE_CHECKING:
    from pydantic import BaseModel

    from django_plugin_system.models import PluginInstance

ModelT = TypeVar("ModelT", bound=ChangeAnnouncingModel)


class ChangeAnnouncingQuerySet(models.QuerySet[ModelT]):
    """A queryset whose every write is seen by the next selection, in every process."""

    def _get_write_alias(self) -> str:
        return self._db or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]

    def _tell(self, rows: Iterable[ModelT] | None, columns: Iterable[str] | None = None) -> None:
        """Tell listeners, if the model has any, which rows are written inside ``changing()``; None: nobody knows."""

    def get_by_natural_key(self, *key: str) -> ModelT:
        """Return the row that a fixture names."""
        found: ModelT = self.get(**dict(zip(self.model.NATURAL_KEY, key, strict=True)))
        return found

    def update(self, **kwargs: Any) -> int:
        """Update the rows, as Django does."""
        with changing(self._get_write_alias()):
            rows = super().update(**kwargs)
            if rows:
                self._tell(None, kwargs)
            return rows

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[ModelT], *args: Any, **kwargs: Any) -> list[ModelT]:
        """Insert ``objs``, as Django does."""
        with changing(self._get_write_alias()):
            made = super().bulk_create(objs, *args, **kwargs)
            commit = get_commit(self._get_write_alias())
            for row in made:
                row.note_stored(None, commit)
            self._tell(made)
            return made

    def bulk_update(self, objs: Iterable[ModelT], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Write ``fields`` of ``objs``, as Django does."""
        rows, names, using = list(objs), list(fields), self._get_write_alias()
        plain: models.QuerySet[ModelT] = models.QuerySet(self.model, self.query.chain(), using)  # ours refuses configs
        with changing(using):
            self._tell(rows, names)
            written = plain.bulk_update(rows, names, batch_size)
            commit = get_commit(using)
            for row in rows:
                row.note_stored(names, commit)
            return written

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows, as Django does."""
        with changing(self._get_write_alias()):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


NAME_LENGTH = 100
"""Characters that the columns of names and scopes hold."""


def is_storable(text: object) -> bool:
    """Say whether a name or a scope can be ``text``: every database stores it, and it is not too long."""
    try:
        return isinstance(text, str) and len(text) <= NAME_LENGTH and b"\0" not in text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def find_scopes(scope: Any, *, shared: bool) -> tuple[str, ...]:
    """Return the scopes that who asks for one may see, best first; the empty one is everybody's.

    A scope that no row can have is left out.

    :raises TypeError: for anything but text and None: an id that is a number, perhaps, that has to be made text.
    """
    if scope is None:  # most calls
        return ("",)
    if not isinstance(scope, str):
        raise TypeError(f"scope must be text or None, not of the type {type(scope).__name__}.")
    own = str.__str__(scope)
    return (*([own] if is_storable(own) else []), *([""] if shared and own else []))


HEALTH = frozenset({"unavailable_until", "last_error", "last_tested_at", "last_test_error"})
"""What an instance says about its health. Queries may name these columns of its row of health like its own."""


class _InstanceQuery(Query):
    """Finds columns of health where they are."""

    def names_to_path(self, names: Sequence[str], opts: Any, *args: Any, **kwargs: Any) -> Any:
        is_health = names[0] in HEALTH and opts is self.get_meta()
        return super().names_to_path(["health", *names] if is_health else names, opts, *args, **kwargs)


@conceal_configs
class PluginInstanceQuerySet(ChangeAnnouncingQuerySet["PluginInstance"]):
    """Plugin instances: narrow them by type and name, put them in order of selection."""

    def __init__(self, model: type[PluginInstance] | None = None, query: Any = None, *args: Any, **kwargs: Any) -> None:
        """Take what Django's querysets take."""
        super().__init__(model, query or _InstanceQuery(model), *args, **kwargs)

    def _tell(self, rows: Iterable[PluginInstance] | None, columns: Iterable[str] | None = None) -> None:
        ids = None if rows is None else [row.pk for row in rows]
        announce_instances(self.model, self._get_write_alias(), ids, columns)

    def for_type(self, ref: object, manager: str | None = None) -> Self:
        """Keep the instances of one plugin type: its interface class, its name and manager, or its row.

        :raises PluginTypeNotFound: if nobody registered that type.
        """
        if isinstance(ref, models.Model):
            return self._keep(item__plugin_type=ref)
        spec = registry.get_type(ref, manager)
        return self._keep(item__plugin_type__name=spec.name, item__plugin_type__manager=spec.manager)

    def _keep(self, **conditions: Any) -> Self:
        kept: Self = self.filter(**conditions)
        return kept

    def named(self, name: str) -> Self:
        """Keep the instances with this name; there is at most one for each item and scope."""
        return self._keep(name=name)

    def in_scope(self, scope: str | None, *, shared: bool = True) -> Self:
        """Keep the instances of ``scope`` and, if they are ``shared``, everybody's; with no scope, these alone."""
        return self._keep(scope__in=find_scopes(scope, shared=shared))

    def only(self, *fields: str) -> Self:
        """Load these fields only; a config comes with what it is read by, rather than with a query for each row."""
        needed = ("config_version", "item", "scope") if "config" in fields else ()
        rows: Self = super().only(*fields, *needed)
        return rows

    def enabled(self) -> Self:
        """Leave out what is disabled, itself or through its item."""
        enabled: Self = self.exclude(status=PluginStatus.DISABLED).exclude(item__status=PluginStatus.DISABLED)
        return enabled

    def in_order(self) -> Self:
        """Sort as selection does: scope, tier, priority (lower first), item name, name; module and id make it total.

        What is everybody's comes after what has a scope.
        """
        disabled = Q(status=PluginStatus.DISABLED) | Q(item__status=PluginStatus.DISABLED)
        active = Q(status=PluginStatus.ACTIVE, item__status=PluginStatus.ACTIVE)
        tier = Case(When(disabled, then=Value(2)), When(active, then=Value(0)), default=Value(1))
        ranked = self.alias(_tier=tier, _priority=Coalesce(F("priority"), F("item__priority")))
        own_first = Case(When(scope="", then=Value(1)), default=Value(0))
        columns = ("scope", "_tier", "_priority", "item__name", "name", "item__module", "pk")
        ordered: Self = ranked.order_by(own_first, *columns)
        return ordered

    def update(self, **kwargs: Any) -> int:
        """Update the rows and their health, but not what has to be validated and encrypted row by row.

        Another ``scope`` is the exception: the secrets of each row are encrypted for it.

        :raises ConfigWriteRefused: for ``config``, ``config_version``, ``item`` and ``id``, and an expression as scope.
        :raises ConfigError: if the configuration of one of the rows cannot move to another scope; nothing was written.
        """
        moves = isinstance(kwargs.get("scope"), str)
        refused = sorted((_SEALED_TOGETHER - ({"scope"} if moves else set())) & kwargs.keys())
        if refused:
            raise ConfigWriteRefused("update", refused)
        health = {name: kwargs.pop(name) for name in HEALTH & kwargs.keys()}
        using = self._get_write_alias()
        with transaction.atomic(using=using, savepoint=moves), changing(using):  # an outer one stays usable
            written = self._update_health(health) if health else 0
            if moves:
                return self._move(kwargs)
            return super().update(**kwargs) if kwargs or not health else written

    update.alters_data = True  # type: ignore[attr-defined]

    def _move(self, values: dict[str, Any]) -> int:
        """Update rows whose secrets are to be encrypted for another scope."""
        using, keys = self._get_write_alias(), self.order_by().values("pk")
        rows = PluginInstanceQuerySet(self.model, using=using).filter(pk__in=keys)
        moved = list(rows.select_for_update(of=("self",), no_key=True).order_by("pk"))
        for row, (name, value) in product(moved, values.items()):
            setattr(row, name, value)
        return rows.bulk_update(moved, values)

    def _update_health(self, values: dict[str, Any]) -> int:
        if {"last_tested_at", "last_test_error"} & values.keys():  # a test is one of the configuration as it is now
            ours = PluginInstanceQuerySet(self.model).filter(pk=OuterRef("pk"))
            values["tested_revision"] = Subquery(ours.values("config_revision"))
        rows = _get_health(self.model, self._get_write_alias()).filter(pk__in=self.order_by().values("pk"))
        return rows.update(**values)

    @contextmanager
    def locked(self, pk: Any) -> Iterator[PluginInstance]:
        """Give a row under its lock, and save the configuration that it has at the end of the block.

        :raises PluginInstance.DoesNotExist: if there is no such row here.
        """
        using = self._get_write_alias()
        with transaction.atomic(using=using), changing(using):  # so that an outer transaction stays usable
            rows = self.using(using).select_related("item__plugin_type")
            row = rows.select_for_update(of=("self",), no_key=True).get(pk=pk)
            yield row
            row.save(using=using, update_fields=["config"])

    def update_config(self, pk: Any, change: Callable[[Any], Mapping[str, Any] | BaseModel]) -> PluginInstance:
        """Store what ``change`` makes of a row's validated configuration, and return the row.

        The row is locked meanwhile, so that no change gets lost; ``change`` had better be quick.

        :raises ConfigError: if the configuration cannot be read, or the new one is refused; nothing was written.
        :raises PluginInstance.DoesNotExist: if there is no such row here.
        """
        with self.locked(pk) as row:
            row.set_config(change(row.load_config()))
        return row

    def bulk_create(self, objs: Iterable[PluginInstance], *args: Any, **kwargs: Any) -> list[PluginInstance]:
        """Validate and encrypt each config, then insert.

        :raises ConfigError: if one of the configs is refused; then nothing is written.
        :raises ConfigWriteRefused: if a conflict would overwrite a config that another row holds.
        """
        rows = list(objs)
        kwargs |= dict(zip(_BULK_CREATE_OPTIONS, args, strict=False))
        refused = sorted(_SEALED_TOGETHER & set(kwargs.get("update_fields") or ()))
        if kwargs.get("update_conflicts") and refused:
            raise ConfigWriteRefused("bulk_create", refused)
        for row in rows:
            row.seal_config()
        using, in_conflict = self._get_write_alias(), bool(kwargs.keys() & {"ignore_conflicts", "update_conflicts"})
        with changing(using):
            made = super().bulk_create(rows, **kwargs)
            add_health(self.model, using, None if in_conflict else made)
        return made

    def bulk_update(self, objs: Iterable[PluginInstance], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Validate and encrypt each config if it is among ``fields``, then write.

        :raises ConfigError: if one of the configs is refused; then nothing is written.
        :raises StaleConfig: if one of them was changed by someone else meanwhile; then nothing is written, either.
        """
        rows, names = list(objs), list(fields)
        if not _SEALED_TOGETHER & set(names):
            return super().bulk_update(rows, names, batch_size)
        prefetch_related_objects(rows, "item__plugin_type")
        using, written = self._get_write_alias(), 0
        for row in rows:
            row.check_overwritten(using)
        renewed = {row.pk for row in rows if row.seal_config()}
        with changing(using):
            held = self.model.lock_configs(rows, using)
            stale = [row for row in rows if not row.reconcile(held.get(row.pk), is_renewed=row.pk in renewed)]
            if not stale:
                changed = [name for name in COMPARED if any(row.is_changed(name) for row in rows)]
                names = [*dict.fromkeys([*names, "config", *changed])]
                written = super().bulk_update(rows, names, batch_size or WRITTEN_AT_ONCE)
                if not {"item", "item_id", "scope"}.isdisjoint(names):
                    move_health(self.model, using, rows)
        if stale:  # raised out here, so that an outer transaction stays usable
            raise StaleConfig(", ".join(map(str, stale)))
        return written

    def renew_configs(self, *, dry_run: bool = False) -> dict[PluginInstance, Reason | None]:
        """Write, in one transaction, those configs in their new form that their classes store otherwise by now.

        Returns these rows, each with the reason why it stays as it is, if so. ``dry_run`` writes nothing.
        """
        outdated = [row.pk for row in self if configuration.is_outdated(row)]
        rows = self.filter(pk__in=outdated)
        if dry_run or not outdated:
            return {row: _renew(row) for row in rows}
        with changing(self._get_write_alias()):
            locked = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
            reasons = {row: _renew(row) for row in locked if configuration.is_outdated(row)}
            rows.bulk_update([row for row, reason in reasons.items() if not reason], ["config"])
        return reasons


PluginInstanceManager = ConcealingManager.from_queryset(PluginInstanceQuerySet)

WRITTEN_AT_ONCE = 200
"""How many rows one statement updates: the database looks each of them up in a list of all."""
_BULK_CREATE_OPTIONS = ("batch_size", "ignore_conflicts", "update_conflicts", "update_fields", "unique_fields")

_SEALED_TOGETHER = {"config", "config_version", "item", "item_id", "scope", "id", "pk"}
"""Columns that make sense only together: tokens are bound to id, item and scope, configs to the item's schema."""


def _renew(row: PluginInstance) -> Reason | None:
    """Bring the config of ``row`` into its new form, without saving it; return why that was not possible, if so."""
    try:
        row.renew_config()
    except ConfigError as error:
        return describe_config_error(error)
    return None


def add_health(model: type[PluginInstance], using: str, rows: Iterable[PluginInstance] | None = None) -> None:
    """Give each of ``rows``, which were just made, its row of health; None: each instance that has none."""
    if rows is None:
        rows = PluginInstanceQuerySet(model, using=using).filter(health=None).only("item_id", "scope")
    health = _get_health(model, using)
    made = [health.model(instance_id=row.pk, item_id=row.item_id, scope=row.scope) for row in rows]
    health.bulk_create(made, batch_size=1000, ignore_conflicts=True)


def move_health(model: type[PluginInstance], using: str, rows: Iterable[PluginInstance] | None = None) -> None:
    """Let the health of ``rows``, by default of all, name the items and the scopes that they have now."""
    moved = _get_health(model, using).exclude(item=F("instance__item"), scope=F("instance__scope"))
    if rows is not None:
        moved = moved.filter(pk__in=[row.pk for row in rows])
    ours = PluginInstanceQuerySet(model).filter(pk=OuterRef("pk"))
    keys = list(moved.values_list("pk", flat=True))  # as one statement, a planner without statistics reads all for each
    for start in range(0, len(keys), WRITTEN_AT_ONCE):
        some = _get_health(model, using).filter(pk__in=keys[start : start + WRITTEN_AT_ONCE])
        some.update(item=Subquery(ours.values("item")), scope=Subquery(ours.values("scope")))


def _get_health(model: type[PluginInstance], using: str) -> models.QuerySet[Any]:
    """Return the rows of health, whose writes here are announced with those of the instances."""
    related: Any = model._meta.get_field("health").related_model
    rows: models.QuerySet[Any] = related._base_manager.using(using)
    return rows


DEFAULT_NAME = "default"
"""The name of the instance that the sync gives to items that need no configuration."""

UNTOUCHED = Q(name=DEFAULT_NAME) & Q(scope="") & Q(config={})
"""Such an instance, as long as nobody configured it. The name comes first: configurations are slow to compare."""

MOST_NAMED = 20


def protect_configured(collector: Collector, field: Any, instances: Any, using: str) -> None:
    """Let an item's deletion take along what nobody typed, and refuse it while there is anything else.

    :raises ProtectedError: with the first instances that stand in the way.
    """
    kept = list(instances.exclude(UNTOUCHED).defer(None).select_related("item")[:MOST_NAMED])
    if kept:
        names = ", ".join(sorted(instance.name for instance in kept)[:10])
        message = f"Plugin instances with a configuration of their own would be lost: {names}. Delete them first."
        raise ProtectedError(message, set(kept))
    CASCADE(collector, field, instances, using)


protect_configured.lazy_sub_objs = True  # type: ignore[attr-defined] # Django then loads them only if this does
