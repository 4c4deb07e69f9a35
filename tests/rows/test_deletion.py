"""What a deletion takes along, and what it is refused for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction
from django.db.models import ProtectedError

from django_plugin_system.models import PluginInstance, PluginItem
from tests.support.rows import add_instance

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db

DELETIONS: list[Callable[[PluginItem], object]] = [
    lambda item: item.delete(),
    lambda item: PluginItem.objects.filter(pk=item.pk).delete(),
    lambda item: item.plugin_type.delete(),
]


@pytest.mark.parametrize("delete", DELETIONS, ids=["row", "queryset", "type"])
def test_a_configured_instance_protects_its_item(
    all_kinds: dict[str, PluginItem], delete: Callable[[PluginItem], object]
) -> None:
    """Deleting an item, or its type, is refused while it has an instance that somebody typed, and names it."""
    add_instance("main", all_kinds["provider"])
    with pytest.raises(ProtectedError, match=r"main \(provider\)"), transaction.atomic():
        delete(all_kinds["provider"])
    assert PluginItem.objects.count() == len(all_kinds)
    assert PluginInstance.objects.filter(name="main").exists()


@pytest.mark.parametrize("delete", DELETIONS, ids=["row", "queryset", "type"])
def test_an_untouched_default_instance_goes_along(
    all_kinds: dict[str, PluginItem], delete: Callable[[PluginItem], object]
) -> None:
    """Nobody typed the default instance, so it protects nothing."""
    delete(all_kinds["console"])
    assert not PluginInstance.objects.filter(item__name="console").exists()
    assert not PluginItem.objects.filter(name="console").exists()
