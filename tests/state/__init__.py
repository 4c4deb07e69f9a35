"""States that renew themselves: by one process at a time, kept whatever the caller's transaction does."""
