"""The rows that mirror what code declares."""
