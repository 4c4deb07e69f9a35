"""Adding an instance: choose the item, then fill in one page."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.signals import got_request_exception
from django.db.models.signals import pre_save
from django.views.debug import ExceptionReporter

from django_plugin_system.models import PluginInstance, PluginItem, PluginStatus
from tests.admin.helpers import edit_config, make_user_client, read_form, url
from tests.admin.sample import SECRET, SID, make_instance

if TYPE_CHECKING:
    from django.test import Client

Items = dict[str, PluginItem]


def open_add(client: Client, item: PluginItem) -> dict[str, str]:
    """Return the form of a new instance of ``item``."""
    return read_form(client.get(url("add"), {"item": str(item.pk)}))


def test_choose_page_lists_items_by_type(admin_client: Client, items: Items) -> None:
    """The first step shows registered items with type, description and a link; not those whose code is gone."""
    page = admin_client.get(url("add")).content.decode()
    assert f"?item={items['twilio'].pk}" in page
    assert "Sends text messages to phones." in page
    assert "Twilio&#x27;s HTTP interface" in page
    assert "Takes no configuration." in page
    assert str(items["gone"].pk) not in page


def test_choose_page_searches(admin_client: Client, items: Items) -> None:
    """A search keeps the items that hold every word; none is told."""
    page = admin_client.get(url("add"), {"q": "twilio http", "_changelist_filters": "q=a"}).content.decode()
    assert str(items["twilio"].pk) in page
    assert str(items["console"].pk) not in page
    assert "_changelist_filters=q%3Da" in page
    assert "No item matches." in admin_client.get(url("add"), {"q": "nothing"}).content.decode()


def test_choose_page_marks_disabled_items(admin_client: Client, items: Items) -> None:
    """A disabled item can be prepared, and says that it is disabled."""
    PluginItem.objects.filter(pk=items["twilio"].pk).update(status=PluginStatus.DISABLED)
    assert "This item is disabled." in admin_client.get(url("add")).content.decode()


def test_item_that_cannot_be_configured(admin_client: Client, items: Items) -> None:
    """An id of no item, of an item without code, or no id at all leads back to the choice, with a message."""
    for wrong in (items["gone"].pk, "nonsense", "00000000-0000-0000-0000-000000000000"):
        response = admin_client.get(url("add"), {"item": str(wrong)})
        assert "cannot be configured" in response.content.decode()


def test_add(admin_client: Client, items: Items) -> None:
    """The second step saves name, status, priority, description and the validated, encrypted configuration."""
    form = edit_config(open_add(admin_client, items["twilio"]), account_sid=SID, auth_token=SECRET)
    form |= {"name": "transactional", "priority": "3", "description": "For receipts"}
    response = admin_client.post(f"{url('add')}?item={items['twilio'].pk}", form, follow=True)
    assert SECRET not in response.content.decode()
    row: Any = PluginInstance.objects.get()
    assert (row.item, row.name, row.status, row.priority) == (items["twilio"], "transactional", "active", 3)
    assert row.load_config().auth_token.get_secret_value() == SECRET
    assert row.load_config().timeout == 10
    assert row.load_plugin().send("1", "x") == "1 x"
    assert SECRET not in json.dumps(row.config)


def test_invalid_value_is_reported_on_its_field(admin_client: Client, items: Items) -> None:
    """Pydantic's errors stand at their fields; what was typed stays, but for the secret, and nothing is saved."""
    form = edit_config(
        open_add(admin_client, items["twilio"]),
        account_sid="wrong",
        auth_token=SECRET,
        timeout=-1,
        retry={"attempts": 99, "pause": 1},
    )
    response = admin_client.post(f"{url('add')}?item={items['twilio'].pk}", {**form, "name": "x"})
    page = response.content.decode()
    assert SECRET not in page
    widget = response.context["adminform"].form.fields["config"].widget
    assert set(widget.error_map) == {"account_sid", "timeout", "retry§attempts"}
    assert "Retry &gt; Attempts: " in page
    assert json.loads(read_form(response)["config"])["account_sid"] == "wrong"
    assert not PluginInstance.objects.exists()


def test_missing_required_fields_are_reported(admin_client: Client, items: Items) -> None:
    """A form posted as it came names each field that has to be filled in."""
    form = {**open_add(admin_client, items["twilio"]), "name": "x"}
    response = admin_client.post(f"{url('add')}?item={items['twilio'].pk}", form)
    widget = response.context["adminform"].form.fields["config"].widget
    assert set(widget.error_map) == {"account_sid", "auth_token"}


def test_a_field_that_the_schema_does_not_know_is_an_error(admin_client: Client, items: Items) -> None:
    """What was sent under a name that is no field is not dropped in silence, at any depth; nothing is saved."""
    form = edit_config(
        open_add(admin_client, items["twilio"]),
        account_sid=SID,
        auth_token=SECRET,
        region_typo="eu",
        retry={"attempts": 3, "pause": 1, "limit": 9},
    )
    response = admin_client.post(f"{url('add')}?item={items['twilio'].pk}", {**form, "name": "x"})
    widget = response.context["adminform"].form.fields["config"].widget
    assert set(widget.error_map) == {"region_typo", "retry§limit"}
    assert SECRET not in response.content.decode()
    assert not PluginInstance.objects.exists()


def test_empty_post_is_an_error(admin_client: Client, items: Items) -> None:
    """What a crashed widget posts is an error on the field."""
    for text in ("", '""', "null", "{}", "nonsense"):
        form = {**open_add(admin_client, items["twilio"]), "name": "x", "config": text}
        response = admin_client.post(f"{url('add')}?item={items['twilio'].pk}", form)
        assert response.context["adminform"].form.errors["config"]
    assert not PluginInstance.objects.exists()


def test_item_without_configuration(admin_client: Client, items: Items) -> None:
    """An item that takes no configuration gets a page without a form for one."""
    form = open_add(admin_client, items["console"])
    assert "config" not in form
    admin_client.post(f"{url('add')}?item={items['console'].pk}", {**form, "name": "plain"})
    assert PluginInstance.objects.get().config == {}
    assert PluginInstance.objects.get().load_plugin().send("1", "x") == "1 x"


def test_name_is_unique_for_the_item(admin_client: Client, items: Items) -> None:
    """A second instance of the item with the same name is refused on the name."""
    make_instance(items["twilio"], "taken")
    form = edit_config(open_add(admin_client, items["twilio"]), account_sid=SID, auth_token=SECRET)
    response = admin_client.post(f"{url('add')}?item={items['twilio'].pk}", {**form, "name": "taken"})
    assert "taken" in response.context["adminform"].form.errors["name"][0]
    assert PluginInstance.objects.count() == 1


def test_add_needs_permission(items: Items) -> None:
    """Both steps are closed to users who may only look."""
    client = make_user_client("view_plugininstance", "change_plugininstance")
    assert client.get(url("add")).status_code == 403
    assert client.get(url("add"), {"item": str(items["twilio"].pk)}).status_code == 403


def test_add_with_add_permission_only(items: Items) -> None:
    """A user with nothing but the add permission gets the whole form."""
    client = make_user_client("add_plugininstance")
    assert "auth_token" in open_add(client, items["twilio"])["config"]


def test_without_jsonform(admin_client: Client, items: Items, settings: Any) -> None:
    """Without django_jsonform the configuration is one JSON text, and works."""
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_jsonform"]
    response = admin_client.get(url("add"), {"item": str(items["twilio"].pk)})
    assert "data-django-jsonform" not in response.content.decode()
    form = edit_config(read_form(response), account_sid=SID, auth_token=SECRET)
    admin_client.post(f"{url('add')}?item={items['twilio'].pk}", {**form, "name": "text"})
    assert PluginInstance.objects.get().name == "text"


def test_error_report_holds_no_secret(admin_client: Client, items: Items) -> None:
    """When saving crashes, neither the mail to the admins nor its page of variables holds what was typed."""
    reports: list[str] = []

    def crash(**_signal: Any) -> None:
        raise RuntimeError

    def report(request: Any, **_signal: Any) -> None:
        kind, error, trace = sys.exc_info()
        reporter = ExceptionReporter(request, kind, error, trace, is_email=True)
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    form = edit_config(open_add(admin_client, items["twilio"]), account_sid=SID, auth_token=SECRET)
    admin_client.raise_request_exception = False
    pre_save.connect(crash, sender=PluginInstance)
    got_request_exception.connect(report)
    try:
        address = f"{url('add')}?item={items['twilio'].pk}"
        assert admin_client.post(address, {**form, "name": "x"}).status_code == 500
    finally:
        pre_save.disconnect(crash, sender=PluginInstance)
        got_request_exception.disconnect(report)
    assert len(reports) == 2
    assert "RuntimeError" in reports[0]
    assert not [text for text in reports if SECRET in text]
