"""The distribution as users get it: what is in it, and that it works alone."""
