"""The console notifier, a plugin as one wrote them for 1.1.0."""
