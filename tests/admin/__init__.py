"""Tests of the admin through its real views."""
