"""Which instance is used now, how instances fare, and what is tried when one fails."""

from django_plugin_system.selection.cache import forget_selections

__all__ = ["forget_selections"]  # the measurements of earlier releases know it from here
