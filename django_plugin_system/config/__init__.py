"""pydantic models to stored JSON and back, secrets encrypted one by one. Knows nothing of the database."""
