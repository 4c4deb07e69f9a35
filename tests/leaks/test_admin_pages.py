"""Every page of the admin is opened, by whoever may open it, and searched for the secret and its token."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.urls import reverse

from django_plugin_system.models import PluginInstance
from django_plugin_system.registry import temporary_registry
from tests.admin.checked import CheckedSms, declare_checked, pass_quietly
from tests.admin.helpers import edit_config, make_user_client, read_form, url
from tests.admin.sample import CONFIG, SECRET, make_instance, make_rows, register_sample
from tests.support.health import set_health
from tests.support.rows import write_raw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.test import Client

pytestmark = pytest.mark.django_db

LINK = re.compile(r'(?:href|action|formaction|src)="([^"]+)"')
START = "/admin/django_plugin_system/"
NAMES = ("transactional", "marketing", "unreadable")


@pytest.fixture
def rows() -> Iterator[list[PluginInstance]]:
    """Return instances in each state: usable, disabled, and one whose secret cannot be read."""
    with temporary_registry(empty=True):
        register_sample()
        item = declare_checked(make_rows()["twilio"].plugin_type)
        CheckedSms.behave, CheckedSms.seen = pass_quietly, []
        config = {**CONFIG, "senders": [{"name": "a", "token": SECRET}]}
        made = [make_instance(item, name, config=config) for name in NAMES]
        stored: Any = made[2].config
        set_health([made[2]], last_error="OSError: cannot connect")
        broken = json.dumps(stored).replace("dps1.", "dps1.00000000.", 1)
        write_raw(made[2].pk, config=json.loads(broken))
        yield made


def crawl(client: Client, *starts: str) -> dict[str, str]:
    """Return the text of each page of ours that can be reached by links, by address."""
    pages: dict[str, str] = {}
    waiting = list(starts)
    while waiting:
        address = waiting.pop()
        if address in pages or not address.startswith(START):
            continue
        answer = client.get(address)
        pages[address] = answer.content.decode() if answer.status_code == 200 else ""
        base, _, query = address.partition("?")
        links = [link.replace("&amp;", "&").partition("#")[0] for link in LINK.findall(pages[address])]
        waiting += [base + link for link in links if link.startswith("?") and not query and "o=" not in link]
        waiting += [link for link in links if "_changelist_filters" not in link and "?" not in link]
    return pages


def assert_clean(pages: dict[str, str]) -> None:
    """Check that no page has the secret, nor a token."""
    assert [address for address, text in pages.items() if SECRET in text or "dps1." in text] == []


def get_starts(row: PluginInstance) -> list[str]:
    """Return the pages of a row that links may not lead to."""
    pages = [url(page, row.pk) for page in ("change", "history", "delete")]
    return [START, url("add"), f"{url('add')}?item={row.item_id}", f"{url('changelist')}?q=transactional", *pages]


def test_no_page_shows_a_secret(admin_client: Client, rows: list[PluginInstance]) -> None:
    """Lists, filters, forms, copies, history and the pages that ask before something is deleted."""
    edit = read_form(admin_client.get(url("change", rows[0].pk)))
    admin_client.post(url("change", rows[0].pk), edit_config(edit, auth_token=f"{SECRET}-2", region="eu"))
    pages = crawl(admin_client, *[start for row in rows for start in get_starts(row)])
    assert len(pages) > 40
    assert all(name in "".join(pages.values()) for name in NAMES)
    assert_clean(pages)


@pytest.mark.parametrize("rights", ["view", "change", "delete", "test"])
def test_no_page_shows_a_secret_to_staff_with_one_right(rows: list[PluginInstance], rights: str) -> None:
    """Whoever may do one thing only sees no more for it."""
    models = ("plugintype", "pluginitem", "plugininstance")
    client = make_user_client(*(f"{rights}_{model}" for model in models), "view_plugininstance")
    answers = {start: client.get(start) for row in rows for start in get_starts(row)}
    pages = {start: answer.content.decode() for start, answer in answers.items() if answer.status_code == 200}
    assert len([text for text in pages.values() if text]) > 5
    assert_clean(pages)


def test_no_answer_to_a_post_shows_a_secret(admin_client: Client, rows: list[PluginInstance]) -> None:
    """A refused form, an action, a test of the connection: what was typed does not come back as HTML."""
    row = rows[0]
    typed = f"{SECRET}-typed"
    form = read_form(admin_client.get(url("change", row.pk)))
    wrong = edit_config(form, auth_token=typed, timeout=-1, senders=[{"name": "x", "token": typed}])
    posts = {url("change", row.pk): wrong, f"{url('add')}?item={row.item_id}": {**wrong, "name": ""}}
    answers = {address: admin_client.post(address, data).content.decode() for address, data in posts.items()}
    for action in re.findall(r'<option value="(\w+)"', admin_client.get(url("changelist")).content.decode()):
        chosen = {"action": action, "_selected_action": [str(one.pk) for one in rows]}
        answers[action] = admin_client.post(url("changelist"), chosen, follow=True).content.decode()
    answers["_test"] = admin_client.post(url("change", row.pk), {**form, "_test": "1"}, follow=True).content.decode()
    assert len(answers) > 4
    assert PluginInstance.objects.filter(pk=row.pk).exists()
    assert_clean(answers)


def test_no_log_entry_or_session_has_a_secret(admin_client: Client, rows: list[PluginInstance]) -> None:
    """The admin's history and the session hold names of fields, not what was typed."""
    form = read_form(admin_client.get(url("change", rows[0].pk)))
    admin_client.post(url("change", rows[0].pk), edit_config(form, auth_token=f"{SECRET}-2"))
    history = admin_client.get(url("history", rows[0].pk)).content.decode()
    assert "auth_token" in history or "Auth Token" in history or "Config" in history
    pages = {"history": history, "session": str(dict(admin_client.session)), "index": reverse("admin:index")}
    assert_clean(pages)
