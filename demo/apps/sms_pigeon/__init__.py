"""Pigeon Post, an SMS provider: forms, Basic auth and plain text."""
