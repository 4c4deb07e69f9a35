"""The package on a real database: every write path, every selection, every failover."""
