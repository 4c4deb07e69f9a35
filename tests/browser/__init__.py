"""Tests that drive the admin in a real browser."""
