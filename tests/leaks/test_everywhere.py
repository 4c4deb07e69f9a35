"""A marked secret is planted in a row, used in every way there is, and looked for in all that a process lets out."""

from __future__ import annotations

import io
import logging
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest
from django.core import serializers
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils.log import AdminEmailHandler
from django.views.decorators.debug import sensitive_post_parameters

from django_plugin_system import PluginUnavailable, explain_selection, failover, get_plugin, get_plugins
from django_plugin_system.config.keyring import make_key
from django_plugin_system.exceptions import AllPluginsFailed
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rotation import rotate_secrets, verify_secrets
from django_plugin_system.sync import sync_registered_plugins_to_db
from tests.config.helpers import show_everything
from tests.support.health import set_health
from tests.support.plugins import (
    SECRET,
    VALID,
    AbstractSms,
    FragileSms,
    ProviderConfig,
    ProviderSms,
    ProviderSmsV2,
    declare_item,
    declare_type,
)
from tests.support.rows import add_instance, get_item, reload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django import Settings

    from django_plugin_system.registry import Registry

pytestmark = pytest.mark.django_db

OTHER = "another-Secret-of-these-tests"
BOTH = (SECRET, OTHER)


def leaks(text: object) -> list[str]:
    """Return which of the planted secrets stand in ``text``."""
    shown = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    return [secret for secret in BOTH if secret in shown]


@pytest.fixture
def declared_provider(declared: Registry) -> Registry:
    """Return the registry with a configurable item, whose row is there."""
    declare_type()
    declare_item(ProviderSms)
    sync_registered_plugins_to_db()
    return declared


def live_a_life(settings: Settings, registry: Registry) -> None:
    """Do with secrets what a project does with them, and what goes wrong with them."""
    row = add_instance(config={**VALID, "spare": [OTHER]})
    row.set_config({**VALID, "token": OTHER})
    row.save()
    row.set_config(ProviderConfig.model_validate({"accountName": "AC2", "token": SECRET, "spare": [OTHER]}))
    row.save(update_fields=["config"])
    PluginInstance.objects.bulk_create([PluginInstance(item=row.item, name="bulk", config={**VALID, "spare": [OTHER]})])
    row.config = {**VALID, "token": OTHER}
    PluginInstance.objects.bulk_update([row], ["config"])
    objects: Any = PluginInstance.objects
    objects.update_or_create(pk=row.pk, defaults={"config": {**VALID, "spare": [SECRET, OTHER]}})
    for name, wrong in {
        "a": {"account": SECRET},
        "b": {**VALID, "retries": OTHER},
        "c": {**VALID, "new": SECRET},
    }.items():
        with pytest.raises(ValueError, match="Invalid config"):
            add_instance(name, config=wrong)
    get_plugins(AbstractSms)
    str(explain_selection(AbstractSms))
    with pytest.raises(AllPluginsFailed):
        fail_everywhere()
    set_health(unavailable_until=None)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key(), *settings.OLD_KEYS]}
    rotate_secrets("default")
    verify_secrets("default")
    registry.items.clear()
    declare_item(ProviderSmsV2)
    sync_registered_plugins_to_db(mode="update")
    get_plugin(AbstractSms)
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": [make_key()]}
    with pytest.raises(LookupError):
        get_plugin(AbstractSms)
    with pytest.raises(CommandError):
        call_command("pluginrotate", stdout=io.StringIO(), stderr=io.StringIO())


def fail_everywhere() -> None:
    """Let every instance fail with an error that quotes its secrets."""
    for attempt in failover(AbstractSms):
        with attempt as plugin:
            sms: Any = plugin
            spare = [one.get_secret_value() for one in sms.config.spare]
            raise PluginUnavailable(f"{sms.config.token.get_secret_value()} {spare}")


@pytest.fixture
def own_key(settings: Settings) -> Settings:
    """Let secrets be encrypted with a key of the test's own."""
    settings.OLD_KEYS = [make_key()]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": settings.OLD_KEYS}
    return settings


def test_no_log_has_a_secret(own_key: Settings, declared_provider: Registry, caplog: pytest.LogCaptureFixture) -> None:
    """At level DEBUG, with every statement to the database and its parameters: nothing but tokens."""
    for name in ("", "django.db.backends", "django_plugin_system"):
        caplog.set_level(logging.DEBUG, name)
    with CaptureQueriesContext(connection) as queries:
        live_a_life(own_key, declared_provider)
    statements = [query["sql"] for query in queries.captured_queries]
    assert len([sql for sql in statements if "dps1." in sql]) > 5
    assert [sql for sql in statements if leaks(sql)] == []
    logged = [(record.getMessage(), vars(record), record.exc_info) for record in caplog.records]
    assert {"django.db.backends", "django_plugin_system"} <= {record.name for record in caplog.records}
    assert [entry for entry in logged if leaks(entry)] == []
    assert not leaks(caplog.text)


def test_no_row_keeps_a_secret(own_key: Settings, declared_provider: Registry) -> None:
    """No column of any row, whatever was done: also not the text of the last error."""
    live_a_life(own_key, declared_provider)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608 - the database's own names
            assert not leaks(cursor.fetchall()), table


def test_no_cache_has_a_secret(own_key: Settings, declared_provider: Registry, settings: Settings) -> None:
    """The results that a process keeps show none, do not pickle into one, and no cache backend is used."""
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "leaks"}}
    live_a_life(own_key, declared_provider)
    assert cache._cache == {}  # type: ignore[attr-defined]  # noqa: SLF001 - what this backend holds
    own_key.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": own_key.OLD_KEYS}
    declared_provider.items.clear()
    declare_item(ProviderSms)
    PluginInstance.objects.all().delete()
    add_instance()
    plugin = get_plugin(AbstractSms)
    assert plugin.config.token.get_secret_value() == SECRET  # type: ignore[attr-defined]
    modules = [module for name, module in sys.modules.items() if name.startswith("django_plugin_system")]
    kept = [value for module in modules for value in vars(module).values()]
    assert not leaks(repr(kept))


@pytest.mark.parametrize("form", ["json", "jsonl", "xml", "python"])
def test_no_serializer_shows_a_secret(declared_provider: Registry, form: str) -> None:
    """Rows that were just typed, or read, or whose plugin was built."""
    del declared_provider
    typed = PluginInstance(item=get_item(), name="typed")
    typed.set_config(VALID)
    typed.save()
    typed.load_plugin()
    assert not leaks(serializers.serialize(form, [typed, reload(typed)]))


def test_no_pickle_has_a_secret(declared_provider: Registry) -> None:
    """Rows, items, querysets before and after they were run, explanations and errors."""
    del declared_provider
    row = add_instance()
    row.load_plugin()
    evaluated = PluginInstance.objects.select_related("item")
    assert len(evaluated) == 1
    explained = explain_selection(AbstractSms)
    rows = [row, evaluated, evaluated.query, PluginItem.objects.prefetch_related("instances"), explained.chosen]
    assert [one for one in rows if leaks(pickle.dumps(one))] == []
    with pytest.raises(ValueError, match="Invalid config") as caught:
        row.set_config({**VALID, "retries": SECRET})
    assert not leaks(show_everything(caught.value))


def build(request: Any) -> HttpResponse:
    """Build a plugin whose constructor raises an error that quotes the secret."""
    row = PluginInstance.objects.get(name="fragile")
    return HttpResponse(str(row.load_plugin()), headers={"X-Path": request.path})


def use(request: Any) -> HttpResponse:
    """Use a plugin in a view that fails, with the plugin, its row and its configuration at hand."""
    plugin: Any = get_plugin(AbstractSms)
    config, row = plugin.config, plugin.plugin_instance
    raise ValueError(request.path, plugin, config, row, vars(row))


@sensitive_post_parameters()
def store(request: Any) -> HttpResponse:
    """Store a secret that is not taken; the view says itself that its post is sensitive."""
    row = PluginInstance.objects.get(name="main")
    return HttpResponse(row.set_config({"account": "AC1", "token": request.POST["token"], "retries": "many"}))


urlpatterns = [path("build/", build), path("use/", use), path("store/", store)]


class CollectingHandler(AdminEmailHandler):
    """Django's own handler, with the page of variables; its mails stay here."""

    def __init__(self) -> None:
        """Start without a mail."""
        super().__init__(include_html=True)
        self.mails: list[dict[str, str]] = []

    def send_mail(self, subject: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        """Keep the mail."""
        del args
        self.mails.append({"subject": subject, "text": message, "HTML": kwargs["html_message"]})


@pytest.fixture
def handler(settings: Settings) -> Iterator[CollectingHandler]:
    """Return what collects the mails about errors in the views of this module."""
    settings.ROOT_URLCONF = __name__
    collecting = CollectingHandler()
    logger = logging.getLogger("django.request")
    logger.addHandler(collecting)
    yield collecting
    logger.removeHandler(collecting)


@pytest.mark.parametrize(
    ("address", "posted", "kind"),
    [("/build/", {}, "PluginBuildError"), ("/use/", {}, "ValueError"), ("/store/", {"token": SECRET}, "InvalidConfig")],
)
def test_no_error_mail_has_a_secret(
    declared_provider: Registry, handler: CollectingHandler, address: str, posted: dict[str, str], kind: str
) -> None:
    """A crash in a constructor, beside a built plugin, and while a secret is stored: text and HTML, frame by frame."""
    del declared_provider
    FragileSms.fails = True
    declare_item(FragileSms, "fragile", priority=9)
    sync_registered_plugins_to_db()
    add_instance("main")
    PluginInstance.objects.filter(item__name="fragile").update(name="fragile")
    answer = Client(raise_request_exception=False).post(address, posted)
    assert answer.status_code == 500
    (message,) = handler.mails
    assert [name for name in ("text", "HTML") if kind not in message[name]] == []
    assert [name for name, text in message.items() if leaks(text)] == []
