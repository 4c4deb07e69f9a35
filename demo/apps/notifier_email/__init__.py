"""The e-mail notifier."""
