"""Sends text messages and one-time passwords."""
