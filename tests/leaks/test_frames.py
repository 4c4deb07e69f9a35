"""Error reports show the local variables of every frame that an exception came through: no secret may be in one.

Django's reporter respects ``sensitive_variables()``, other reporters do not: the frames are searched as both see them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import DatabaseError
from django.db.models import Q
from django.views.debug import ExceptionReporter

from django_plugin_system import get_plugin
from django_plugin_system.models import PluginInstance
from django_plugin_system.sync import sync_registered_plugins_to_db
from django_plugin_system.testing import check_contract
from tests.support.plugins import (
    SECRET,
    VALID,
    AbstractSms,
    ProviderConfig,
    ProviderSms,
    declare_item,
    declare_type,
)
from tests.support.rows import add_instance, get_item, reload, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import FrameType

    from pytest_django import Settings

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db(transaction=True)

OTHER = "another-Secret-of-these-frames"
REFUSED = {**VALID, "token": OTHER, "retries": "many"}
"""A configuration with a secret, and a mistake elsewhere."""


@pytest.fixture(autouse=True)
def row(declared: Registry) -> PluginInstance:
    """Store an instance with secrets."""
    del declared
    declare_type()
    declare_item(ProviderSms)
    sync_registered_plugins_to_db()
    return add_instance(config={**VALID, "spare": [OTHER]})


def create(**values: Any) -> None:
    """Give a configuration that is refused, or with it a field that there is none of."""
    PluginInstance.objects.create(**{"item": get_item(), "name": "new", "config": REFUSED, **values})


def create_with_a_name_that_is_taken() -> None:
    """Give a valid configuration to the database, which refuses the row."""
    create(name="main", config=VALID)


def create_with_an_unknown_field() -> None:
    """Mistype the name of another field."""
    create(nme="new")


def create_asynchronously() -> None:
    """Pass it through an event loop, and back."""
    async_to_sync(PluginInstance.objects.acreate)(item=get_item(), name="new", config=REFUSED)


def create_related() -> None:
    """Pass it through the manager of a relation."""
    get_item().instances.create(name="new", config=REFUSED)


def get_or_create() -> None:
    """Give it as the default for a row that is not there."""
    PluginInstance.objects.get_or_create(item=get_item(), name="new", defaults={"config": REFUSED})


def get_or_create_related() -> None:
    """Give it to the manager of a relation, by place."""
    get_item().instances.get_or_create({"config": REFUSED}, name="new")


def look_up_or_create() -> None:
    """Look for a row with this very configuration."""
    PluginInstance.objects.get_or_create(item=get_item(), name="new", config=REFUSED)


def update_or_create() -> None:
    """Give it to a row that is there."""
    PluginInstance.objects.update_or_create(item=get_item(), name="main", defaults={"config": REFUSED})


def update_or_create_with_a_model() -> None:
    """Give a model, and mistype another field."""
    model = ProviderConfig.model_validate({"accountName": "AC1", "token": OTHER})
    typo: dict[str, Any] = {"name": "main", "nme": 1}
    PluginInstance.objects.filter(status="active").update_or_create(**typo, defaults={"config": model})


def update() -> None:
    """Write it past the rows."""
    PluginInstance.objects.filter(name="main").update(config=REFUSED)


def build() -> None:
    """Mistype another field of a row that is not stored yet."""
    typo: dict[str, Any] = {"nme": "new"}
    PluginInstance(item=get_item(), config=REFUSED, **typo)


def save_new() -> None:
    """Store a row that was built with it."""
    PluginInstance(item=get_item(), name="new", config=REFUSED).save()


def save_assigned() -> None:
    """Store a row that it was assigned to."""
    row = PluginInstance.objects.get()
    row.config = REFUSED
    row.save()


def set_config() -> None:
    """Set it."""
    PluginInstance.objects.get().set_config(REFUSED)


def bulk_create() -> None:
    """Store rows that were built with it."""
    PluginInstance.objects.bulk_create([PluginInstance(item=get_item(), name="new", config=REFUSED)])


def bulk_update() -> None:
    """Store rows that it was assigned to."""
    row = PluginInstance.objects.get()
    row.config = REFUSED
    PluginInstance.objects.bulk_update([row], ["config"])


def try_example() -> None:
    """Check a class with it."""
    check_contract(ProviderSms, REFUSED)


def spoil(row: PluginInstance, **values: Any) -> PluginInstance:
    """Edit a stored configuration by raw SQL."""
    write_raw(row.pk, config={**row.config, **values})
    return reload(row)


def load_tampered() -> None:
    """Read a row of whose secrets one was edited."""
    row = PluginInstance.objects.get()
    spoil(row, token=row.config["spare"][0]).load_config()


def open_tampered() -> None:
    """Open the secrets of a row of which one was edited."""
    row = PluginInstance.objects.get()
    spoil(row, token=row.config["spare"][0]).open_secrets()


def load_invalid() -> None:
    """Read a row that no longer fits."""
    spoil(PluginInstance.objects.get(), retries="many").load_config()


def load_unresolved() -> None:
    """Read a row that refers to a variable that is not there."""
    spoil(PluginInstance.objects.get(), account={"$env": "FRAMES_NOTHING"}).load_plugin()


def select_tampered() -> None:
    """Select among rows of which none can be read."""
    row = PluginInstance.objects.get()
    spoil(row, token=row.config["spare"][0])
    get_plugin(AbstractSms)


ACTS: list[Callable[[], None]] = [
    *(create, create_with_a_name_that_is_taken, create_with_an_unknown_field, create_asynchronously, create_related),
    *(get_or_create, get_or_create_related, look_up_or_create, update_or_create, update_or_create_with_a_model, update),
    *(build, save_new, save_assigned, set_config, bulk_create, bulk_update, try_example),
    *(load_tampered, open_tampered, load_invalid, load_unresolved, select_tampered),
]


def iter_frames(error: BaseException | None) -> Iterator[FrameType]:
    """Yield each frame that a report of ``error`` could show, of its causes, too, and none of these tests."""
    while error is not None:
        step = error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename != __file__:
                yield step.tb_frame
            step = step.tb_next
        error = error.__cause__ or error.__context__


def find_leaks(variables: dict[str, Any]) -> list[str]:
    """Return the names of the variables that show a planted secret."""
    return [name for name, value in variables.items() if any(secret in show(value) for secret in (SECRET, OTHER))]


def show(value: object) -> str:
    """Return the repr of a variable; nothing if there is none, as of a query that only works in its transaction."""
    try:
        return repr(value)
    except DatabaseError:
        return ""


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_no_frame_shows_a_secret(act: Callable[[], None], settings: Settings) -> None:
    """Whatever goes wrong with a configuration, no variable of a frame between the caller and the error shows it."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["FRAMES_*"]}
    with pytest.raises(Exception, match=r".") as caught:
        act()
    shown = [(frame.f_code.co_name, find_leaks(frame.f_locals)) for frame in iter_frames(caught.value)]
    assert [leak for leak in shown if leak[1]] == []


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_no_report_of_django_shows_a_secret(act: Callable[[], None], settings: Settings) -> None:
    """The variables that Django's own error report lists show no secret, those of the caller aside."""
    settings.PLUGIN_SYSTEM = {"ENV_REFERENCES": ["FRAMES_*"]}
    with pytest.raises(Exception, match=r".") as caught:
        act()
    frames = ExceptionReporter(None, caught.type, caught.value, caught.tb).get_traceback_frames()
    shown = [(frame["function"], find_leaks(dict(frame["vars"]))) for frame in frames if frame["filename"] != __file__]
    assert [leak for leak in shown if leak[1]] == []
    assert frames


def test_the_search_finds_what_a_frame_shows() -> None:
    """The search above can fail: what Django keeps of a look-up is found."""
    with pytest.raises(Exception, match="nme") as caught:
        PluginInstance.objects.filter(Q(description=SECRET) & Q(nme="typo"))
    assert any(find_leaks(frame.f_locals) for frame in iter_frames(caught.value))


def test_a_refused_document_stays_out_of_the_frames(tmp_path: Path) -> None:
    """A document whose import is refused is in no frame of the command's error."""
    instance = {"type": "sms", "manager": "apps.sms", "item": "provider", "module": "apps.items", "name": "new"}
    document = {"format": "django-plugin-system", "version": 1, "instances": [{**instance, "config": REFUSED}]}
    path = tmp_path / "document.json"
    path.write_text(json.dumps(document))
    with pytest.raises(Exception, match="Nothing was written") as caught:
        call_command("pluginimport", str(path))
    assert [frame.f_code.co_name for frame in iter_frames(caught.value) if find_leaks(frame.f_locals)] == []
