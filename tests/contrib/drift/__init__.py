"""Snapshots of schemas: what they say, how they are compared, and the gate in front of a merge."""
