"""Fixtures of the browser tests: sample plugins, a logged-in user, a watch on every page for the planted secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler

from django_plugin_system.registry import temporary_registry
from tests.admin.sample import SECRET, make_rows, register_sample

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from django.test import Client
    from playwright.sync_api import ConsoleMessage, Page
    from pytest_django.live_server_helper import LiveServer

    from django_plugin_system.models import PluginItem


POLICY = "default-src 'self'"


@pytest.fixture(autouse=True)
def sample_plugins() -> Iterator[None]:
    """Register the sample plugins for one test; the live server runs in this process."""
    with temporary_registry(empty=True):
        register_sample()
        yield


@pytest.fixture
def items(transactional_db: None) -> dict[str, PluginItem]:
    """Return the item rows by name."""
    del transactional_db
    return make_rows()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list of all that the live server answers from now on, page by page."""
    seen: list[str] = []
    answer = WSGIHandler.get_response

    def watch(handler: WSGIHandler, request: HttpRequest) -> HttpResponseBase:
        response = answer(handler, request)
        seen.append(f"{request.path}: {getattr(response, 'content', b'').decode()}")
        return response

    monkeypatch.setattr(WSGIHandler, "get_response", watch)
    return seen


@pytest.fixture
def admin_page(
    page: Page, items: dict[str, PluginItem], client: Client, live_server: LiveServer, answers: list[str]
) -> Iterator[Page]:
    """Return a tab of a superuser; an answer that holds the planted secret fails the test."""
    del items
    client.force_login(User.objects.create_superuser("admin", password="admin-password"))
    session = client.cookies["sessionid"]
    page.context.add_cookies([{"name": session.key, "value": session.value, "url": live_server.url}])
    yield page
    page.wait_for_load_state("networkidle")
    assert answers
    assert not [answer for answer in answers if SECRET in answer]


@pytest.fixture
def strict_policy(monkeypatch: pytest.MonkeyPatch, page: Page) -> Iterator[list[str]]:
    """Serve every page under a strict policy; what the browser blocks because of it, and is listed, fails the test."""
    answer = WSGIHandler.get_response
    served: list[str] = []

    def add_policy(handler: WSGIHandler, request: HttpRequest) -> HttpResponseBase:
        response = answer(handler, request)
        response["Content-Security-Policy"] = POLICY
        served.append(request.path)
        return response

    monkeypatch.setattr(WSGIHandler, "get_response", add_policy)
    blocked: list[str] = []

    def note(told: ConsoleMessage) -> None:
        if "Content Security Policy" in told.text:
            blocked.append(told.text)

    page.on("console", note)
    yield blocked
    page.remove_listener("console", note)
    assert served
    assert not blocked
