"""Swiftline, an SMS provider: JSON and a bearer token."""
