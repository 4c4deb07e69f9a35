"""Rights: each page and each action by its own permission, also where a project has rules or sites of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import include, path

from django_plugin_system.admin import PluginInstanceAdmin, PluginItemAdmin, PluginTypeAdmin
from django_plugin_system.models import PluginInstance, PluginItem, PluginType
from tests.admin.helpers import edit_config, get_row, make_user_client, read_form, url
from tests.admin.sample import CONFIG, SECRET, SID, make_instance

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

RIGHTS = ["view", "add", "change", "delete", "test"]


@pytest.mark.parametrize("right", RIGHTS)
def test_each_page_takes_its_own_permission(checked: PluginInstance, right: str) -> None:
    """With one permission alone exactly the pages of this permission open, and exactly its posts are taken."""
    client = make_user_client(f"{right}_plugininstance")
    change, delete = url("change", checked.pk), url("delete", checked.pk)
    add = f"{url('add')}?item={checked.item_id}"
    seen = {
        "list": client.get(url("changelist")).status_code == 200,
        "page": client.get(change).status_code == 200,
        "history": client.get(url("history", checked.pk)).status_code == 200,
        "choice": client.get(url("add")).status_code == 200,
        "form": client.get(add).status_code == 200,
        "deletion": client.get(delete).status_code == 200,
        "test": client.post(change, {"_test": "1"}).status_code != 403,
        "save": client.post(change, {"name": "x"}).status_code != 403,
        "insert": client.post(add, {"name": "x"}).status_code != 403,
    }
    expected = {
        "view": {"list", "page", "history"},
        "change": {"list", "page", "history", "save"},
        "add": {"choice", "form", "insert"},
        "delete": {"deletion"},
        "test": set(),
    }
    assert {name for name, allowed in seen.items() if allowed} == expected[right]
    client.post(delete, {"post": "yes"})
    assert PluginInstance.objects.filter(pk=checked.pk).exists() is (right != "delete")


@pytest.mark.parametrize("lookup", ["config__auth_token__startswith", "config__auth_token", "config__icontains"])
def test_no_filter_spells_out_a_secret(items: dict[str, PluginItem], lookup: str) -> None:
    """Who may view the list cannot ask it what a secret begins with that is stored from before it was one."""
    make_instance(items["twilio"])
    client = make_user_client("view_plugininstance")
    assert client.get(url("changelist"), {lookup: SECRET[:3]}).status_code == 400
    assert client.get(url("changelist"), {"name__startswith": "trans"}).status_code == 200


@pytest.mark.parametrize("right", RIGHTS)
def test_each_action_takes_its_own_permission(checked: PluginInstance, right: str) -> None:
    """Bulk actions and the inputs of the list need the permission to change; deletion that to delete."""
    client = make_user_client("view_plugininstance", f"{right}_plugininstance")
    page = client.get(url("changelist")).content.decode()
    may_change = right == "change"
    for action in ("mark_active", "mark_reserved", "mark_disabled", "raise_priority", "lower_priority"):
        assert (f'value="{action}"' in page) is may_change
    assert ('value="delete_selected"' in page) is (right == "delete")
    assert ('name="form-0-status"' in page) is may_change
    rows = {"_selected_action": [str(checked.pk)]}
    client.post(url("changelist"), {"action": "mark_disabled", **rows})
    assert (get_row(checked).status == "disable") is may_change
    forged = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(checked.pk),
        "form-0-status": "reserve",
        "form-0-priority": "3",
        "_save": "Save",
    }
    client.post(url("changelist"), forged)
    assert (get_row(checked).priority == 3) is may_change
    client.post(url("changelist"), {"action": "delete_selected", "post": "yes", **rows})
    assert PluginInstance.objects.exists() is (right != "delete")


def test_viewers_see_no_secret(checked: PluginInstance) -> None:
    """No page that a viewer can open holds the secret, its token, or what stands for it in a form."""
    client = make_user_client("view_plugininstance", "view_pluginitem", "view_plugintype")
    for address in (
        url("changelist"),
        url("change", checked.pk),
        url("history", checked.pk),
        url("change", checked.item_id, model="pluginitem"),
        url("change", checked.item.plugin_type_id, model="plugintype"),
    ):
        page = client.get(address).content.decode()
        assert SECRET not in page
        assert "dps1." not in page
        assert "stored secret " not in page
        assert 'name="_test"' not in page


def test_history_names_fields_and_no_values(admin_client: Client, checked: PluginInstance) -> None:
    """The history of a change says which fields; a secret is named like any other, its value is not there."""
    form = read_form(admin_client.get(url("change", checked.pk)))
    typed = edit_config({**form, "status": "reserve"}, auth_token=f"{SECRET}-new", timeout=3)
    assert admin_client.post(url("change", checked.pk), typed).status_code == 302
    message = LogEntry.objects.get().get_change_message()
    assert message.startswith("Changed Status, Configuration: ")
    assert {"Auth token", "Timeout"} == {name for name in ("Auth token", "Region", "Timeout") if name in message}
    page = admin_client.get(url("history", checked.pk)).content.decode()
    assert SECRET not in page
    assert SID not in page


@pytest.mark.parametrize("sees_instances", [True, False])
def test_deletion_of_an_item_lists_its_instances(
    checked: PluginInstance,
    sees_instances: bool,  # noqa: FBT001 - a parameter
) -> None:
    """It is refused, by whatever way, and says what stands in the way: by name to those who might delete it."""
    make_instance(checked.item, "marketing")
    more = ["delete_plugininstance", "view_plugininstance"] if sees_instances else []
    client = make_user_client("view_pluginitem", "delete_pluginitem", *more)
    address = url("delete", checked.item_id, model="pluginitem")
    page = client.get(address).content.decode()
    assert "plugin instance" in page.lower()
    assert ("transactional (checked)" in page) is sees_instances
    assert ("marketing (checked)" in page) is sees_instances
    client.post(address, {"post": "yes"})
    action = {"action": "delete_selected", "post": "yes", "_selected_action": [str(checked.item_id)]}
    client.post(url("changelist", model="pluginitem"), action)
    assert PluginItem.objects.filter(pk=checked.item_id).exists()
    assert PluginInstance.objects.count() == 2


class CarefulAdmin(PluginInstanceAdmin):
    """A project's own rules: nobody changes or tests an instance of this name; nobody sees another."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Hide what is hidden."""
        return super().has_view_permission(request, obj) and (obj is None or obj.name != "hidden")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Freeze what is frozen; what cannot be seen cannot be changed."""
        return super().has_change_permission(request, obj) and (obj is None or obj.name not in {"frozen", "hidden"})


ops = AdminSite(name="ops")
ops.register(PluginInstance, CarefulAdmin)
ops.register(PluginItem, PluginItemAdmin)
ops.register(PluginType, PluginTypeAdmin)
alone = AdminSite(name="alone")
alone.register(PluginInstance, PluginInstanceAdmin)
urlpatterns = [
    path("", include("tests.urls")),
    path("ops/", ops.urls),
    path("alone/", alone.urls),
]


@pytest.fixture
def sites(settings: Any, admin_user: User) -> Client:
    """Return a client of a superuser, with three admin sites: Django's, ``ops``, and ``alone`` with instances only."""
    settings.ROOT_URLCONF = "tests.admin.test_rights"
    client = Client()
    client.force_login(admin_user)
    return client


BASE = "/ops/django_plugin_system/plugininstance/"


def test_rules_of_a_project(sites: Client, checked: PluginInstance) -> None:
    """A row that may only be looked at is read-only; its stored configuration can be tested; a hidden one cannot."""
    frozen, hidden = make_instance(checked.item, "frozen"), make_instance(checked.item, "hidden")
    page = sites.get(f"{BASE}{frozen.pk}/change/").content.decode()
    assert 'name="_save"' not in page
    assert 'name="_test"' in page
    assert "stored secret " not in page
    assert sites.post(f"{BASE}{frozen.pk}/change/", {"name": "x"}).status_code == 403
    assert sites.post(f"{BASE}{frozen.pk}/change/", {"_test": "1"}).status_code == 302
    assert get_row(frozen).last_tested_at is not None
    for data in (None, {"_test": "1"}, {"name": "x"}):
        address = f"{BASE}{hidden.pk}/change/"
        assert (sites.post(address, data) if data else sites.get(address)).status_code == 403
    assert get_row(hidden).last_tested_at is None
    form = sites.get(f"{BASE}add/?item={checked.item_id}&copy={hidden.pk}").content.decode()
    assert 'value="hidden-copy"' not in form


def test_links_stay_in_their_site(sites: Client, checked: PluginInstance) -> None:
    """Every page of a second admin site works, and links to pages of that site."""
    item, kind = checked.item_id, checked.item.plugin_type_id
    for address in (
        BASE,
        f"{BASE}add/",
        f"{BASE}add/?item={item}",
        f"{BASE}{checked.pk}/change/",
        f"/ops/django_plugin_system/pluginitem/{item}/change/",
        f"/ops/django_plugin_system/plugintype/{kind}/change/",
    ):
        response = sites.get(address)
        assert response.status_code == 200
        assert 'href="/admin/' not in response.content.decode()
        assert 'action="/admin/' not in response.content.decode()
    form = read_form(sites.get(f"{BASE}{checked.pk}/change/"))
    assert sites.post(f"{BASE}{checked.pk}/change/", {**form, "status": "reserve"})["Location"] == BASE


def test_a_site_without_items(sites: Client, checked: PluginInstance) -> None:
    """Where a project registers instances only, their pages open, and types and items are named without links."""
    base = "/alone/django_plugin_system/plugininstance/"
    for address in (base, f"{base}add/", f"{base}add/?item={checked.item_id}", f"{base}{checked.pk}/change/"):
        response = sites.get(address)
        assert response.status_code == 200
        assert "/pluginitem/" not in response.content.decode()
        assert "checked" in response.content.decode()


def test_who_may_not_see_items(checked: PluginInstance) -> None:
    """Types and items are named, and not linked, for users who may not open their pages."""
    client = make_user_client("view_plugininstance", "add_plugininstance")
    for address in (url("changelist"), url("change", checked.pk), f"{url('add')}?item={checked.item_id}"):
        page = client.get(address).content.decode()
        assert "checked" in page
        assert "/pluginitem/" not in page
        assert "/plugintype/" not in page


def test_a_project_may_take_the_form_apart(checked: PluginInstance, rf: Any, admin_user: User) -> None:
    """A subclass that shows fewer fields gets them; the configuration is then left alone."""

    class Short(PluginInstanceAdmin):
        """Name and status only."""

        def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
            """Return two fields."""
            del request, obj
            return ((None, {"fields": ("name", "status")}),)

    request = rf.get("/")
    request.user = admin_user
    shown: ModelAdmin[Any] = Short(PluginInstance, ops)
    form = shown.get_form(request, checked, change=True)
    data = {"name": "renamed", "status": "active", "config": "{}"}
    bound = form(data, instance=checked)
    assert bound.fields.keys() >= {"name", "status"}
    assert checked.load_config().auth_token.get_secret_value() == CONFIG["auth_token"]  # type: ignore[union-attr]
