"""Rooms that a project may do without: nothing but commands and the admin imports them."""
