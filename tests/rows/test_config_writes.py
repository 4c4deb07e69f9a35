"""Every way of the ORM to write a configuration validates and encrypts it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from asgiref.sync import async_to_sync
from django.db import models, transaction
from pydantic import SecretStr

from django_plugin_system.exceptions import ConfigWriteRefused, InvalidConfig
from django_plugin_system.models import PluginInstance
from tests.support.plugins import SECRET, VALID, ProviderConfig
from tests.support.rows import add_instance, assert_sealed, read_raw, reload

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from django_plugin_system.models import PluginItem

T = TypeVar("T")

pytestmark = pytest.mark.django_db


def get_rows() -> Any:
    """Return the manager, to which the type checker's knowledge of ``defaults`` does not reach."""
    return PluginInstance.objects


def _save(item: PluginItem, config: Any) -> PluginInstance:
    row = PluginInstance(item=item, name="new", config=config)
    row.save()
    return row


def _save_changed(item: PluginItem, config: Any) -> PluginInstance:
    row = reload(add_instance("new", item, config={**VALID, "token": "before"}))
    row.config = config
    row.save()
    return row


def _save_named_fields(item: PluginItem, config: Any) -> PluginInstance:
    row = reload(add_instance("new", item, config={**VALID, "token": "before"}))
    row.config = config
    row.save(update_fields=["config"])
    return row


def _change_in_place(item: PluginItem, config: Any) -> PluginInstance:
    row = reload(add_instance("new", item, config={**VALID, "token": "before"}))
    row.config.clear()
    row.config |= config if isinstance(config, dict) else {"token": 1}
    row.save()
    return row


def _create(item: PluginItem, config: Any) -> PluginInstance:
    return PluginInstance.objects.create(item=item, name="new", config=config)


def _create_by_item(item: PluginItem, config: Any) -> PluginInstance:
    return item.instances.create(name="new", config=config)


def _create_by_base_manager(item: PluginItem, config: Any) -> PluginInstance:
    row: PluginInstance = PluginInstance._base_manager.create(item=item, name="new", config=config)
    return row


def _create_by_plain_queryset(item: PluginItem, config: Any) -> PluginInstance:
    return models.QuerySet(PluginInstance).create(item=item, name="new", config=config)


def _get_or_create(item: PluginItem, config: Any) -> PluginInstance:
    row: PluginInstance = get_rows().get_or_create(item=item, name="new", defaults={"config": config})[0]
    return row


def _update_or_create_new(item: PluginItem, config: Any) -> PluginInstance:
    row: PluginInstance = get_rows().update_or_create(item=item, name="new", defaults={"config": config})[0]
    return row


def _update_or_create_known(item: PluginItem, config: Any) -> PluginInstance:
    add_instance("new", item, config={**VALID, "token": "before"})
    row: PluginInstance = get_rows().update_or_create(item=item, name="new", defaults={"config": config})[0]
    return row


def _bulk_create(item: PluginItem, config: Any) -> PluginInstance:
    return PluginInstance.objects.bulk_create([PluginInstance(item=item, name="new", config=config)])[0]


def _bulk_create_ignoring(item: PluginItem, config: Any) -> PluginInstance:
    row = PluginInstance(item=item, name="new", config=config)
    return PluginInstance.objects.bulk_create([row], ignore_conflicts=True)[0]


def _bulk_create_upserting(item: PluginItem, config: Any) -> PluginInstance:
    row = PluginInstance(item=item, name="new", config=config)
    made = PluginInstance.objects.bulk_create(
        [row], update_conflicts=True, update_fields=["status"], unique_fields=["item", "scope", "name"]
    )
    return made[0]


def _bulk_update(item: PluginItem, config: Any) -> PluginInstance:
    row = reload(add_instance("new", item, config={**VALID, "token": "before"}))
    row.config = config
    PluginInstance.objects.bulk_update([row], ["config"])
    return row


def _add_to_item(item: PluginItem, config: Any) -> PluginInstance:
    row = PluginInstance(name="new", config=config)
    item.instances.add(row, bulk=False)
    return row


def _wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    async def wait() -> T:
        return await coroutine

    return async_to_sync(wait)()


def _acreate(item: PluginItem, config: Any) -> PluginInstance:
    return _wait_for(PluginInstance.objects.acreate(item=item, name="new", config=config))


def _asave(item: PluginItem, config: Any) -> PluginInstance:
    row = PluginInstance(item=item, name="new", config=config)
    _wait_for(row.asave())
    return row


def _abulk_create(item: PluginItem, config: Any) -> PluginInstance:
    rows = [PluginInstance(item=item, name="new", config=config)]
    return _wait_for(PluginInstance.objects.abulk_create(rows))[0]


def _abulk_update(item: PluginItem, config: Any) -> PluginInstance:
    row = reload(add_instance("new", item, config={**VALID, "token": "before"}))
    row.config = config
    _wait_for(PluginInstance.objects.abulk_update([row], ["config"]))
    return row


def _aupdate_or_create(item: PluginItem, config: Any) -> PluginInstance:
    return _wait_for(PluginInstance.objects.aupdate_or_create(item=item, name="new", defaults={"config": config}))[0]


PATHS = [
    _save,
    _save_changed,
    _save_named_fields,
    _change_in_place,
    _create,
    _create_by_item,
    _create_by_base_manager,
    _create_by_plain_queryset,
    _get_or_create,
    _update_or_create_new,
    _update_or_create_known,
    _bulk_create,
    _bulk_create_ignoring,
    _bulk_create_upserting,
    _bulk_update,
    _add_to_item,
    _acreate,
    _asave,
    _abulk_create,
    _abulk_update,
    _aupdate_or_create,
]
every_path = pytest.mark.parametrize("write", PATHS, ids=lambda write: write.__name__.strip("_"))


@every_path
def test_a_written_config_is_encrypted(
    provider: PluginItem, write: Callable[[PluginItem, Any], PluginInstance]
) -> None:
    """What reaches the table holds no plain secret, and reads as the model that was meant."""
    row = write(provider, VALID)
    assert_sealed(row)
    assert reload(row).load_config() == ProviderConfig(accountName="AC1", token=SecretStr(SECRET))


@every_path
@pytest.mark.parametrize(
    "config",
    [
        {"account": "AC1"},
        {**VALID, "account": f"no {SECRET}"},
        {**VALID, "unknown": SECRET},
        {**VALID, "retries": SECRET},
        [SECRET],
        None,
    ],
    ids=["missing", "pattern", "extra", "type", "list", "none"],
)
def test_an_invalid_config_is_refused(
    provider: PluginItem, write: Callable[[PluginItem, Any], PluginInstance], config: Any
) -> None:
    """An invalid configuration raises, without a secret in the text, and changes no row."""
    block = transaction.atomic() if write is _add_to_item else nullcontext()  # Django breaks that one's transaction
    with pytest.raises(InvalidConfig) as refused, block:
        write(provider, config)
    assert SECRET not in f"{refused.value!r} {refused.value} {refused.value.__context__} {refused.value.__cause__}"
    for row in PluginInstance.objects.all():
        assert SECRET not in read_raw(row.pk)
        assert row.open_secrets() == {("token",): "before"}


@pytest.mark.parametrize(
    "values",
    [{"config": VALID}, {"config_version": 2}, {"config": models.F("description")}, {"pk": None}, {"id": None}],
    ids=["config", "version", "expression", "pk", "id"],
)
def test_an_update_of_sealed_columns_is_refused(provider: PluginItem, values: dict[str, Any]) -> None:
    """QuerySet.update() and aupdate() write no column that is bound to the encrypted configuration."""
    row = add_instance(item=provider)
    with pytest.raises(ConfigWriteRefused, match=r"update\(\) cannot write"):
        PluginInstance.objects.update(**values)
    with pytest.raises(ConfigWriteRefused, match=r"update\(\) cannot write"):
        _wait_for(PluginInstance.objects.aupdate(**values))
    assert_sealed(row)


def test_an_update_of_the_item_is_refused(provider: PluginItem) -> None:
    """QuerySet.update() moves no configuration to another item's schema."""
    with pytest.raises(ConfigWriteRefused, match="item"):
        PluginInstance.objects.update(item=provider)
    with pytest.raises(ConfigWriteRefused, match="item_id"):
        PluginInstance.objects.update(item_id=provider.pk)
