"""Rotation: every secret ends up with the first key, and nothing is lost on the way."""
