"""A project whose tenants have a schema each, by the package django-tenants; the tests run ``visit`` in it."""
