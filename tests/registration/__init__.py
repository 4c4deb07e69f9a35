"""What code declares: plugin classes, types, items, and how they are discovered."""
