"""The optional rooms."""
