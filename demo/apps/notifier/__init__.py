"""The ``notifier`` plugin type."""
