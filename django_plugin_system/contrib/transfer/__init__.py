"""Instances as a document: export them without their secrets, import them into the same or another database."""
