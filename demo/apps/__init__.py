"""The apps of the demo. Each plugin is a small app of its own, with a ``plugins.py``."""
