"""Who the tenants are."""

from __future__ import annotations

from django_tenants.models import DomainMixin, TenantMixin


class Tenant(TenantMixin):  # type: ignore[misc] # it ships no types
    """Whoever has a schema."""

    auto_create_schema = True

    class Meta:
        app_label = "tenants"

    def __str__(self) -> str:
        return str(self.schema_name)


class Domain(DomainMixin):  # type: ignore[misc] # as above
    """Where a tenant is found."""

    class Meta:
        app_label = "tenants"
