"""Tests of the demo: the real thing in a process of its own, seen through its page."""
