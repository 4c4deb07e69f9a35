"""Settings of the project with tenants; the database is named by the environment."""

from __future__ import annotations

from typing import Any

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES as _DATABASES

DATABASES: dict[str, Any] = {"default": {**_DATABASES["default"], "ENGINE": "django_tenants.postgresql_backend"}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
SHARED_APPS = ["django_tenants", "tests.changes.tenants"]
TENANT_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django_plugin_system"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
MIDDLEWARE = []
ROOT_URLCONF = "tests.changes.tenants.urls"
