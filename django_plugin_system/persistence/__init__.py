"""How a row is saved: its configuration, what stays unseen, the change token, and who is told of a change."""
