"""An app of today: its plugins.py is found by itself, and its plugin is configurable."""
