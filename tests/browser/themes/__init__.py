"""Projects with another look of the admin, each served by a process of its own."""
