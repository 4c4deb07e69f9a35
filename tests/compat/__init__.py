"""The way of 1.1.0."""
