"""Who sees a change, and when."""
