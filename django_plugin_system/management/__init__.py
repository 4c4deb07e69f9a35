"""Management code of the app."""
