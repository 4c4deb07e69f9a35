"""Stored JSON to a validated model and back: codec, tokens, keys, references, leaks."""
