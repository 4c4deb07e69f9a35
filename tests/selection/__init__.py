"""Which instance is used: choosing, failover, health."""
