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
    from playwright.sync_api import Page

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
def admin_page(page: Page, items: dict[str, PluginItem], answers: list[str]) -> Iterator[Page]:
    """Return a tab of a superuser; an answer that holds the planted secret fails the test."""
    del items
    User.objects.create_superuser("admin", password="admin-password")
    page.goto("/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("admin-password")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")
    yield page
    page.wait_for_load_state("networkidle")
    assert len(answers) > 1
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
    page.on("console", lambda told: blocked.append(told.text) if "Content Security Policy" in told.text else None)
    yield blocked
    assert served
    assert not blocked
