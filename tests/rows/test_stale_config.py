"""Two people edit one row: neither loses a configuration without being told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import transaction

from django_plugin_system.config.keyring import make_key
from django_plugin_system.exceptions import StaleConfig
from django_plugin_system.models import PluginInstance
from django_plugin_system.rows.rows import Loaded
from tests.support.plugins import VALID
from tests.support.rows import add_instance, read_raw, reload

if TYPE_CHECKING:
    from pytest_django import Settings

    from django_plugin_system.models import PluginItem

pytestmark = pytest.mark.django_db


@pytest.fixture
def mine(provider: PluginItem) -> PluginInstance:
    """Return a row that is about to be edited twice."""
    return reload(add_instance(item=provider))


def edit(row: PluginInstance, token: str = "theirs") -> None:
    """Change and save the configuration."""
    row.set_config({**VALID, "token": token})
    row.save()


def get_token(row: PluginInstance) -> str:
    """Return the stored token in the clear."""
    return str(reload(row).open_secrets()["token",])


def test_a_newer_config_is_not_overwritten(mine: PluginInstance) -> None:
    """The second of two edits of the configuration is refused, and names the row."""
    edit(reload(mine))
    with pytest.raises(StaleConfig, match=r"main \(provider\) was changed by someone else"):
        edit(mine, "mine")
    assert get_token(mine) == "theirs"


def test_a_bulk_update_overwrites_no_newer_config(mine: PluginInstance) -> None:
    """A bulk update with one stale configuration is refused, and writes none of its rows."""
    other = reload(add_instance("other", mine.item))
    edit(reload(mine))
    for row in (other, mine):
        row.set_config({**VALID, "token": "mine"})
    with pytest.raises(StaleConfig, match=r"^main \(provider\) was changed"):
        PluginInstance.objects.bulk_update([other, mine], ["config"])
    assert (get_token(mine), get_token(other)) == ("theirs", VALID["token"])


def test_a_refused_edit_leaves_the_transaction_usable(mine: PluginInstance) -> None:
    """Inside a caller's transaction, a stale edit can be reloaded and repeated."""
    edit(reload(mine))
    with transaction.atomic():
        with pytest.raises(StaleConfig):
            edit(mine, "mine")
        mine.refresh_from_db()
        edit(mine, "mine")
    assert get_token(mine) == "mine"


def test_an_untouched_config_gives_way_to_a_newer_one(mine: PluginInstance) -> None:
    """Who edits the status only keeps the other's configuration; who names the old one takes over the other's."""
    edit(reload(mine))
    mine.status = "reserve"
    mine.save()
    assert (get_token(mine), reload(mine).status) == ("theirs", "reserve")
    mine.save(update_fields=["config"])
    assert get_token(mine) == "theirs"
    assert mine.open_secrets() == {("token",): "theirs"}


def test_one_reader_may_edit_again_and_again(mine: PluginInstance) -> None:
    """A row object knows its own earlier edits, whichever method wrote them."""
    for token in ("one", "two"):
        edit(mine, token)
    mine.set_config({**VALID, "token": "three"})
    PluginInstance.objects.bulk_update([mine], ["config"])
    edit(mine, "four")
    assert get_token(mine) == "four"


def test_a_row_from_bulk_create_may_be_edited(provider: PluginItem) -> None:
    """A row object that bulk_create() stored is as good as one that was read."""
    row = PluginInstance(item=provider, name="bulk", config=VALID)
    PluginInstance.objects.bulk_create([row])
    edit(row, "edited")
    assert get_token(row) == "edited"
    edit(reload(row), "theirs")
    with pytest.raises(StaleConfig):
        edit(row, "again")


def test_a_rolled_back_edit_can_be_repeated(mine: PluginInstance) -> None:
    """After a rollback the database holds the older config again; saving once more is no conflict."""
    with transaction.atomic():
        edit(mine, "lost")
        transaction.set_rollback(True)
    assert get_token(mine) != "lost"
    mine.save()
    assert get_token(mine) == "lost"


def test_an_edit_to_the_same_text_is_no_conflict(mine: PluginInstance) -> None:
    """If the other edit brought the values back, or only encrypted them anew, nothing was lost."""
    theirs = reload(mine)
    theirs.config = {**VALID}  # new tokens for the same values
    theirs.loaded = Loaded()  # so that the tokens are not taken over
    theirs.save()
    assert read_raw(mine.pk) != str(mine.config)
    edit(mine, "mine")
    assert get_token(mine) == "mine"


def test_two_unreadable_configs_count_as_different(mine: PluginInstance, settings: Settings) -> None:
    """What cannot be opened cannot be compared, so it is not overwritten either."""
    edit(reload(mine))
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    with pytest.raises(StaleConfig):
        edit(mine, "mine")


def test_named_fields_are_compared_only_with_the_config_among_them(mine: PluginInstance) -> None:
    """save(update_fields=["status"]) writes the status beside any configuration."""
    edit(reload(mine))
    mine.set_config({**VALID, "token": "mine"})
    mine.status = "reserve"
    mine.save(update_fields=["status"])
    assert (get_token(mine), reload(mine).status) == ("theirs", "reserve")
    with pytest.raises(StaleConfig):
        mine.save(update_fields=["config"])


def test_any_iterable_names_fields(mine: PluginInstance) -> None:
    """update_fields may be a generator, as Django allows."""
    mine.status = "reserve"
    mine.save(update_fields=(name for name in ["status"]))
    assert reload(mine).status == "reserve"
    edit_again = reload(mine)
    edit_again.config["retries"] = 9
    edit_again.save(update_fields=(name for name in ["config"]))
    assert reload(mine).config["retries"] == 9


def test_a_deleted_row_is_inserted_again(mine: PluginInstance) -> None:
    """A save after somebody's deletion inserts the row, as Django does."""
    reload(mine).delete()
    edit(mine, "mine")
    assert get_token(mine) == "mine"
