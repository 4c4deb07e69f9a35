"""Settings of the project with tenants; the database is named by the environment."""

from __future__ import annotations

import os
from typing import Any

from tests import settings

_usual: Any = settings.DATABASES["default"]

DATABASES = {"default": {**_usual, "ENGINE": "django_tenants.postgresql_backend"}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
DEFAULT_AUTO_FIELD = settings.DEFAULT_AUTO_FIELD
SECRET_KEY = settings.SECRET_KEY
USE_TZ = True
SHARED_APPS = ["django_tenants", "tests.changes.tenants"]
TENANT_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
(SHARED_APPS if os.environ.get("SHARE_PLUGINS") else TENANT_APPS).append("django_plugin_system")
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
