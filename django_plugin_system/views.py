"""What a load balancer asks: whether somebody serves what the project needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import Error
from django.http import HttpRequest, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_plugin_system.conf import get_settings
from django_plugin_system.exceptions import InvalidPluginChoice
from django_plugin_system.registry import registry
from django_plugin_system.selection.candidates import Request, make_request
from django_plugin_system.selection.choosing import find_served


@never_cache
@require_safe
def plugins_health(request: HttpRequest) -> JsonResponse:
    """Say for each plugin type, and each name that it declares, who serves now; 503 if nobody does.

    A type without instances that are enabled is not needed, unless it declares names. Who asks needs the permission to
    view plugin instances, or ``PLUGIN_SYSTEM["HEALTH_TOKEN"]`` in the header ``Authorization: Bearer ...``.
    """
    if not _may_ask(request):
        return JsonResponse({"status": "forbidden"}, status=403)
    try:
        plugins = [_describe(wanted) for wanted in _iter_wanted()]
    except Error as error:
        return JsonResponse({"status": "unavailable", "error": type(error).__name__}, status=503)
    is_well = all(plugin["status"] != "unavailable" for plugin in plugins)
    status = "ok" if is_well else "unavailable"
    return JsonResponse({"status": status, "plugins": plugins}, status=200 if is_well else 503)


def _may_ask(request: HttpRequest) -> bool:
    token, given = get_settings().HEALTH_TOKEN, request.headers.get("Authorization", "")
    if token and constant_time_compare(given, f"Bearer {token}"):
        return True
    user: Any = getattr(request, "user", None)
    return user is not None and bool(user.has_perm("django_plugin_system.view_plugininstance"))


def _iter_wanted() -> Iterator[Request]:
    for spec in sorted(registry.types.values(), key=lambda spec: spec.key):
        for name in spec.names or (None,):
            yield make_request(*spec.key, name)


def _describe(wanted: Request) -> dict[str, Any]:
    try:
        served = find_served(wanted)
    except InvalidPluginChoice:
        served = None
    status = "ok" if served else "unavailable" if wanted.name or wanted.find_rows().enabled().exists() else "unused"
    about = {"type": wanted.spec.name, "manager": wanted.spec.manager, "name": wanted.name}
    return {**about, "status": status, "instance": None if served is None else str(served)}
