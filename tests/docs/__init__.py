"""The documentation: its examples run, its links lead somewhere, its tables name what exists."""
