"""What a pydantic model declares: where its secrets are, what is refused, where an error belongs."""
