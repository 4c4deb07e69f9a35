"""Upgrades of a project that was made with the published 1.1.0, on both databases; and the way back."""
