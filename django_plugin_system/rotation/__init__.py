"""Secrets under a new key: the look through the rows as they are stored, and the writing."""

from django_plugin_system.rotation.rotating import RotationReport, rotate_secrets, verify_secrets

__all__ = ["RotationReport", "rotate_secrets", "verify_secrets"]
