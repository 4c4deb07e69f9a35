"""The tables of the tenants."""
