"""Small Django apps whose plugins the tests use."""
