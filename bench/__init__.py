"""Measurements behind the figures in the documentation, run by hand: ``python -m bench rotation``."""
