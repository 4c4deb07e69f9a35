"""An app of a user's that keeps files in instances."""
