"""Shorthands of the admin tests."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from tests.admin.sample import SECRET

if TYPE_CHECKING:
    from django.db.models import Model


def url(page: str, *args: object, model: str = "plugininstance") -> str:
    """Return the address of an admin page of ours."""
    return reverse(f"admin:django_plugin_system_{model}_{page}", args=args)


def open_change(client: Client, row: Model) -> dict[str, str]:
    """Return the form of a stored instance."""
    return read_form(client.get(url("change", row.pk)))


def save_change(client: Client, row: Model, form: dict[str, str], query: str = "") -> Any:
    """Post the form; the answer, which holds no secret, has the ``context`` None if it was saved."""
    response = client.post(url("change", row.pk) + query, form)
    assert SECRET not in response.content.decode()
    return response


def make_user_client(*codenames: str) -> Client:
    """Return a client of a staff user with nothing but these permissions."""
    user = User.objects.create_user("staff", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client = Client()
    client.force_login(user)
    return client


class _Fields(HTMLParser):
    """Collects what a browser would post, for the inputs that our pages use."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        name = given.get("name", "")
        if tag == "input" and given.get("type") not in {"submit", "search", "button"}:
            self.values[name] = given.get("value", "")
        elif tag in {"textarea", "select"}:
            self._open = name
            self.values[name] = ""
        elif tag == "option" and self._open and "selected" in given:
            self.values[self._open] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"textarea", "select"}:
            self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open and data.strip():
            self.values.setdefault(self._open, "")
            if self.get_starttag_text().startswith("<textarea"):  # type: ignore[union-attr]
                self.values[self._open] += data.removeprefix("\n")  # as browsers do


def read_form(response: Any) -> dict[str, str]:
    """Return the values of the form on a page, as a browser would post them untouched."""
    fields = _Fields()
    fields.feed(response.content.decode())
    return {name: value for name, value in fields.values.items() if name not in {"", "csrfmiddlewaretoken"}}


def edit_config(form: dict[str, str], **values: Any) -> dict[str, str]:
    """Return ``form`` with some fields of the configuration edited."""
    return {**form, "config": json.dumps({**json.loads(form["config"]), **values})}


def get_row(row: Any) -> Any:
    """Return ``row`` as it is in the database now."""
    return type(row).objects.get(pk=row.pk)


def get_raw_config(row: Model) -> str:
    """Return the stored configuration as text."""
    return json.dumps(get_row(row).config, sort_keys=True)
