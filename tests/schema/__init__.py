"""What a pydantic model declares."""
