"""A stand-in for two SMS providers, so that the demo needs no account anywhere."""
