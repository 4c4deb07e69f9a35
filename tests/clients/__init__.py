"""Clients that plugins share: how long one lives, who gets it, who closes it."""
