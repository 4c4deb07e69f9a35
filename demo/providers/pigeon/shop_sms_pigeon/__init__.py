"""Pigeon Air, an SMS provider of the shop, as a package of its own."""
