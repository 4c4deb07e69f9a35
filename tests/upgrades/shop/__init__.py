"""A project as users of 1.1.0 wrote them. The tests run it, unchanged, on 1.1.0 and on this version."""
