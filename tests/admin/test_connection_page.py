"""The test of an instance on its page: who may run it, what is tested, where the result goes."""

from __future__ import annotations

import re
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.signals import got_request_exception
from django.test import Client
from django.views.debug import ExceptionReporter

from django_plugin_system import changes
from django_plugin_system.admin import PluginInstanceAdmin, connection_test
from django_plugin_system.config.keyring import get_derived_keys, show_key
from django_plugin_system.models import PluginInstance, PluginItem
from django_plugin_system.rotation import rotate_secrets
from django_plugin_system.selection import trial
from django_plugin_system.selection.health import record_test
from tests.admin.checked import CheckedSms, raising
from tests.admin.helpers import edit_config, get_raw_config, get_row, make_user_client, open_change, read_form, url
from tests.admin.sample import CONFIG, SECRET, SID, make_instance

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest

Row = PluginInstance
JSON: dict[str, Any] = {"HTTP_ACCEPT": "application/json"}
TYPED = "typed-5ecret-do-not-show"


def ask(client: Client, address: str, form: dict[str, str]) -> dict[str, Any]:
    """Run a test as the script of the page does, and return the answer."""
    response = client.post(address, {**form, "_test": "1"}, **JSON)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    answer: dict[str, Any] = response.json()
    assert SECRET not in str(answer)
    return answer


def post(client: Client, row: Row, form: dict[str, str]) -> Any:
    """Run a test as a browser without JavaScript does."""
    response = client.post(url("change", row.pk), {**form, "_test": "Test"}, follow=True)
    assert SECRET not in response.content.decode()
    return response


# Who may


def test_the_button(admin_client: Client, checked: Row, instance: Row) -> None:
    """It stands on the pages of items with a ``check()``, new and stored, and on no others."""
    for address, expected in (
        (url("change", checked.pk), True),
        (f"{url('add')}?item={checked.item_id}", True),
        (url("change", instance.pk), False),
        (f"{url('add')}?item={instance.item_id}", False),
        (url("add"), False),
    ):
        page = admin_client.get(address).content.decode()
        assert ('name="_test"' in page) is expected
        assert ("connection-test.js" in page) is expected


@pytest.mark.parametrize(
    "codenames",
    [
        ("view_plugininstance",),
        ("view_plugininstance", "change_plugininstance", "add_plugininstance"),
        ("test_plugininstance",),
        ("test_plugininstance", "add_plugininstance"),
    ],
    ids=["view", "change", "test but not view", "add and test but not view"],
)
def test_nobody_else_may(checked: Row, codenames: tuple[str, ...]) -> None:
    """Without the permission to test and to view there is no button, a forged post is refused, nothing is checked."""
    client = make_user_client(*codenames)
    for address in (url("change", checked.pk), f"{url('add')}?item={checked.item_id}"):
        assert 'name="_test"' not in client.get(address).content.decode()
        for headers in ({}, JSON):
            form = {"_test": "1", "name": "x", "config": "{}"}
            assert client.post(address, form, **headers).status_code == 403
    assert not CheckedSms.seen


def test_anonymous_users_are_sent_to_the_login(client: Client, checked: Row) -> None:
    """Without a login nothing is checked."""
    response = client.post(url("change", checked.pk), {"_test": "1"}, **JSON)
    assert (response.status_code, "login" in response["Location"]) == (302, True)
    assert not CheckedSms.seen


def test_other_sites_may_not(admin_user: User, checked: Row) -> None:
    """A post without the token against forgery is refused; looking at the address of a test tests nothing."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    for headers in ({}, JSON):
        assert client.post(url("change", checked.pk), {"_test": "1"}, **headers).status_code == 403
    assert client.get(f"{url('change', checked.pk)}?_test=1").status_code == 200
    assert not CheckedSms.seen


def test_who_may_test_but_not_change(checked: Row) -> None:
    """They test the stored configuration as it is; what they post besides does not count and is not saved."""
    client = make_user_client("view_plugininstance", "test_plugininstance")
    before = get_raw_config(checked)
    page = client.get(url("change", checked.pk)).content.decode()
    assert 'name="_test"' in page
    assert 'name="_save"' not in page
    forged = {"name": "renamed", "config": f'{{"account_sid": "{SID}", "auth_token": "{TYPED}"}}'}
    assert "The test passed." in post(client, checked, forged).content.decode()
    assert ask(client, url("change", checked.pk), forged) == {
        "passed": True,
        "message": "The test passed.",
        "problems": [],
    }
    assert [config.auth_token.get_secret_value() for config in CheckedSms.seen] == [SECRET, SECRET]
    assert (get_row(checked).name, get_raw_config(checked)) == ("transactional", before)
    assert get_row(checked).last_tested_at is not None


def test_a_project_decides_by_its_own_rules(
    admin_client: Client, checked: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin class that overrides has_test_permission is obeyed, for each row."""

    def may(_admin: Any, _request: Any, obj: Row | None = None) -> bool:
        return obj is None

    monkeypatch.setattr(PluginInstanceAdmin, "has_test_permission", may)
    assert 'name="_test"' not in admin_client.get(url("change", checked.pk)).content.decode()
    assert admin_client.post(url("change", checked.pk), {"_test": "1"}).status_code == 403
    assert 'name="_test"' in admin_client.get(f"{url('add')}?item={checked.item_id}").content.decode()


# What is tested


def test_stored_and_typed_are_merged(admin_client: Client, checked: Row) -> None:
    """The kept secret goes with what was typed; nothing of it is saved, and the form still can be."""
    before = get_row(checked)
    form = edit_config(open_change(admin_client, checked), timeout=42)
    answer = ask(admin_client, url("change", checked.pk), {**form, "name": "renamed"})
    assert answer["passed"]
    assert "not saved yet" in answer["message"]
    assert CheckedSms.seen[0].timeout == 42
    assert CheckedSms.seen[0].auth_token.get_secret_value() == SECRET
    after = get_row(checked)
    for name in ("name", "config", "updated_at", "secret_dates", "last_tested_at", "last_test_error"):
        assert getattr(after, name) == getattr(before, name)
    assert admin_client.post(url("change", checked.pk), form).status_code == 302
    assert get_row(checked).load_config().timeout == 42


def test_before_the_first_save(admin_client: Client, checked: Row) -> None:
    """A new instance can be tested from its form, and is not stored by that."""
    address = f"{url('add')}?item={checked.item_id}"
    form = edit_config(read_form(admin_client.get(address)), account_sid=SID, auth_token=TYPED)
    answer = ask(admin_client, address, {**form, "name": "fresh"})
    assert answer["passed"]
    assert "not saved yet" in answer["message"]
    assert CheckedSms.seen[0].auth_token.get_secret_value() == TYPED
    assert PluginInstance.objects.count() == 1
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("typed", [{"timeout": -1}, {"auth_token": "••••"}, {"auth_token": ""}])
def test_an_invalid_form_is_not_tested(admin_client: Client, checked: Row, typed: dict[str, Any]) -> None:
    """Its problems are reported as at a save, each with its field, and check() is not called."""
    form = edit_config({**open_change(admin_client, checked), "name": "not a slug"}, **typed)
    answer = ask(admin_client, url("change", checked.pk), form)
    assert not answer["passed"]
    assert any(problem.startswith("Name: ") for problem in answer["problems"])
    assert any(problem.startswith(("Timeout: ", "Auth token: ")) for problem in answer["problems"])
    page = post(admin_client, checked, form)
    assert set(page.context["adminform"].form.fields["config"].widget.error_map) == set(typed)
    assert "Please correct the errors below." in page.content.decode()
    assert not CheckedSms.seen


def test_a_stale_form_is_not_tested(admin_client: Client, checked: Row) -> None:
    """What is merged must be what the operator saw."""
    form = open_change(admin_client, checked)
    row = get_row(checked)
    row.set_config({**CONFIG, "timeout": 3})
    row.save()
    answer = ask(admin_client, url("change", checked.pk), edit_config(form, timeout=4))
    assert "Someone else changed this instance" in answer["problems"][0]
    assert not CheckedSms.seen


def test_a_test_does_not_make_a_form_stale(admin_client: Client, checked: Row) -> None:
    """Forms that are open while somebody tests can be saved."""
    form = edit_config(open_change(admin_client, checked), timeout=8)
    ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))
    assert get_row(checked).last_tested_at is not None
    assert admin_client.post(url("change", checked.pk), form).status_code == 302
    assert get_row(checked).load_config().timeout == 8


def test_disabled_rows_may_be_tested(admin_client: Client, checked: Row) -> None:
    """An instance can be tested before it is switched on."""
    PluginInstance.objects.update(status="disable")
    assert ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))["passed"]


def test_code_that_is_gone(admin_client: Client, checked: Row) -> None:
    """There is no button, and a post from a page that had one says so."""
    form = open_change(admin_client, checked)
    PluginItem.objects.filter(pk=checked.item_id).update(module="apps.removed")
    assert 'name="_test"' not in admin_client.get(url("change", checked.pk)).content.decode()
    assert ask(admin_client, url("change", checked.pk), form)["message"] == "This item has no test."
    assert "This item has no test." in post(admin_client, checked, form).content.decode()
    assert get_row(checked).last_tested_at is None
    assert not LogEntry.objects.exists()


def test_a_row_that_is_gone(admin_client: Client, checked: Row, items: dict[str, PluginItem]) -> None:
    """A test of a deleted row ends where the page of such a row ends; one of no chosen item on the choice."""
    form = open_change(admin_client, checked)
    gone = url("change", checked.pk)
    checked.delete()
    assert admin_client.post(gone, {**form, "_test": "1"}, follow=True).status_code == 200
    assert admin_client.post(url("add"), {"_test": "1"}, **JSON).status_code == 200
    assert items
    assert not CheckedSms.seen


# Where the result goes


def test_the_result_is_kept(admin_client: Client, checked: Row) -> None:
    """Time and error stand in the row and on its page; selection, updated_at and the tokens are left alone."""
    before, token = get_row(checked), changes.read("default")
    CheckedSms.behave = raising(OSError("no <b>route</b>"))
    answer = ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))
    assert answer == {"passed": False, "message": "The test failed: OSError: no <b>route</b>", "problems": []}
    row = get_row(checked)
    assert row.last_test_error == "OSError: no <b>route</b>"
    assert row.last_tested_at > before.updated_at
    assert (row.updated_at, row.config, changes.read("default")) == (before.updated_at, before.config, token)
    page = admin_client.get(url("change", checked.pk)).content.decode()
    assert "OSError: no &lt;b&gt;route&lt;/b&gt;" in page
    CheckedSms.behave = staticmethod(lambda _plugin: None)
    page = post(admin_client, checked, open_change(admin_client, checked)).content.decode()
    assert get_row(checked).last_test_error == ""
    assert '"dps-state dps-usable">Usable</span>' in page
    assert "Tested <time datetime=" in page
    messages = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert messages == ["Tested: failed.", "Tested: passed."]


def test_the_result_of_unsaved_changes_is_not_kept(admin_client: Client, checked: Row) -> None:
    """It is shown and stands in the history, but says nothing about what is stored."""
    CheckedSms.behave = raising(OSError("no route"))
    form = edit_config(open_change(admin_client, checked), timeout=8)
    assert "OSError: no route" in ask(admin_client, url("change", checked.pk), form)["message"]
    assert get_row(checked).last_tested_at is None
    assert LogEntry.objects.get().get_change_message() == "Tested with unsaved changes: failed."


def test_a_test_does_not_tell_whether_a_guess_is_right(admin_client: Client, checked: Row) -> None:
    """A secret that was typed counts as unsaved, also the very one that is stored."""
    form = open_change(admin_client, checked)
    response = admin_client.post(
        url("change", checked.pk), {**edit_config(form, auth_token=SECRET), "_test": "1"}, **JSON
    )
    assert "not saved yet" in response.json()["message"]
    assert get_row(checked).last_tested_at is None


def test_a_saved_change_clears_the_result(admin_client: Client, checked: Row) -> None:
    """Another status leaves the result, another configuration does not."""
    ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))
    form = open_change(admin_client, checked)
    admin_client.post(url("change", checked.pk), {**form, "status": "reserve"})
    assert get_row(checked).last_tested_at is not None
    admin_client.post(url("change", checked.pk), edit_config(open_change(admin_client, checked), timeout=9))
    assert get_row(checked).last_tested_at is None


def test_the_result_is_kept_after_a_rotation(admin_client: Client, checked: Row, settings: Any) -> None:
    """However the database writes a configuration, its row is found again."""
    keys = ["MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", show_key(get_derived_keys()[0])]
    settings.PLUGIN_SYSTEM = {"ENCRYPTION_KEYS": keys}
    assert rotate_secrets().rewritten == 1
    ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))
    assert get_row(checked).last_tested_at is not None


def test_a_change_during_the_test(admin_client: Client, checked: Row) -> None:
    """The result of what was stored before is not noted for what is stored now."""
    other = get_row(checked)
    other.set_config({**CONFIG, "timeout": 5})
    CheckedSms.behave = lambda _plugin: None
    other.save()
    record_test(checked, "late")
    assert get_row(checked).last_tested_at is None
    record_test(other, "late")
    assert get_row(checked).last_test_error == "late"
    del admin_client


def test_too_many_tests_at_once(admin_client: Client, checked: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that finds no place says so; it is no result, so none is kept, and the history is silent."""
    places = threading.BoundedSemaphore(1)
    places.acquire()
    monkeypatch.setattr(trial, "_places", places)
    answer = ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))
    assert not answer["passed"]
    assert "Try again later." in answer["message"]
    assert get_row(checked).last_tested_at is None
    assert not LogEntry.objects.exists()


# Without JavaScript


def test_without_javascript(admin_client: Client, checked: Row) -> None:
    """The page is drawn again with the result and all that was typed, secrets encrypted; nothing is saved."""
    CheckedSms.behave = raising(OSError("no <b>route</b>"))
    form = edit_config(open_change(admin_client, checked), timeout=31, auth_token=TYPED)
    response = post(admin_client, checked, {**form, "name": "renamed", "_save": "Save"})
    page = response.content.decode()
    assert "The test failed: OSError: no &lt;b&gt;route&lt;/b&gt;" in page
    assert "Please correct" not in page
    assert TYPED not in page
    again = read_form(response)
    assert (again["name"], re.findall(r'"timeout": *(\d+)', again["config"])) == ("renamed", ["31"])
    assert (get_row(checked).name, get_row(checked).load_config().timeout) == ("transactional", 10)
    assert admin_client.post(url("change", checked.pk), again).status_code == 302
    assert get_row(checked).load_config().auth_token.get_secret_value() == TYPED


# When it goes wrong


def test_report_of_a_crash_holds_no_secret(admin_user: User, checked: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Should our own code crash, what is mailed to the staff shows neither what was typed nor what is stored."""
    reports = []

    def report(request: HttpRequest, **_kwargs: Any) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.extend([reporter.get_traceback_html(), reporter.get_traceback_text()])

    def crash(_row: Any, _stored: Any) -> None:
        message = "our own mistake"
        raise ZeroDivisionError(message)

    monkeypatch.setattr(connection_test, "run_check", crash)
    client = Client(raise_request_exception=False)
    client.force_login(admin_user)
    form = edit_config(open_change(client, checked), senders=[{"name": "a", "token": TYPED}])
    got_request_exception.connect(report)
    assert client.post(url("change", checked.pk), {**form, "_test": "1"}, **JSON).status_code == 500
    got_request_exception.disconnect(report)
    assert len(reports) == 2
    for text in reports:
        assert "our own mistake" in text
        assert SECRET not in text
        assert TYPED not in text
        assert "********************" in text


def test_the_page_of_another_item(admin_client: Client, items: dict[str, PluginItem]) -> None:
    """A post of a test for an item without check() tests nothing."""
    row = make_instance(items["twilio"])
    assert ask(admin_client, url("change", row.pk), open_change(admin_client, row))["message"].startswith("This item")


# What a test answers, tests of many, a test after a save


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("account ACME, 12.40 EUR left", "The test passed: account ACME, 12.40 EUR left."),
        ("one\n  two\x1b[2J", "The test passed: one two\\x1b[2J."),
        ("x" * 300, f"The test passed: {'x' * 199}…."),
        ("", "The test passed."),
        (None, "The test passed."),
        (42, "The test passed."),
        (f"token {SECRET}", "The test passed: what it answered is too long, or quotes a secret, so it is withheld."),
        ("x" * 10_001, "The test passed: what it answered is too long, or quotes a secret, so it is withheld."),
    ],
)
def test_what_a_test_answers(admin_client: Client, checked: Row, answer: Any, shown: str) -> None:
    """A short text that ``check()`` returns is shown, in one line, and never with a secret in it; nothing else is."""
    CheckedSms.behave = staticmethod(lambda _plugin: answer)
    assert ask(admin_client, url("change", checked.pk), open_change(admin_client, checked))["message"] == shown


def run_tests(client: Client, *rows: Row) -> str:
    """Run the action on ``rows`` and return the page that follows."""
    data = {"action": "test_selected", "_selected_action": [str(row.pk) for row in rows]}
    return client.post(url("changelist"), data, follow=True).content.decode()


def test_many_are_tested(admin_client: Client, checked: Row, items: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the selected is tested as it is stored, and each result is kept; when it takes too long, it says so."""
    other = make_instance(checked.item, "marketing")
    page = run_tests(admin_client, checked, other, make_instance(items["twilio"], "untested"))
    assert "Transactional (checked): The test passed." in page
    assert "Marketing (checked): The test passed." in page
    assert "Untested (twilio): This item has no test." in page
    assert get_row(other).last_tested_at is not None
    monkeypatch.setattr(connection_test, "PATIENCE", -1)
    assert "2 were not tested, as it took too long" in run_tests(admin_client, checked, other)


def test_many_are_tested_by_who_may(checked: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """The action takes the permission to test, on each row."""
    client = make_user_client("view_plugininstance", "test_plugininstance")
    may_test = PluginInstanceAdmin.has_test_permission
    monkeypatch.setattr(
        PluginInstanceAdmin,
        "has_test_permission",
        lambda self, request, obj=None: may_test(self, request, obj) and (obj is None or obj.name != "transactional"),
    )
    page = run_tests(client, checked, make_instance(checked.item, "marketing"))
    assert "You may not test transactional (checked)." in page
    assert "Marketing (checked): The test passed." in page


@pytest.mark.django_db(transaction=True)
def test_save_and_test(admin_client: Client, checked: Row) -> None:
    """What is saved, new or not, is tested once it is stored, and the page says what came of it."""
    address = url("change", checked.pk)
    form = edit_config(open_change(admin_client, checked), timeout=42)
    response = admin_client.post(address, {**form, "_continue": "test"})
    assert response["Location"] == address
    assert "Transactional (checked): The test passed." in admin_client.get(address).content.decode()
    assert CheckedSms.seen[-1].timeout == 42
    assert get_row(checked).last_tested_at is not None
    add = f"{url('add')}?item={checked.item_id}"
    form = edit_config({**read_form(admin_client.get(add)), "name": "new"}, **CONFIG)
    admin_client.post(add, {**form, "_continue": "test"})
    assert get_row(PluginInstance.objects.get(name="new")).last_tested_at is not None
    admin_client.post(address, {**open_change(admin_client, checked), "_continue": "1"})
    assert len(CheckedSms.seen) == 2
