"""What a pydantic model declares: no data, no keys."""
