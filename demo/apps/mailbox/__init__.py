"""A mail server for the demo, and the mails that it took."""
