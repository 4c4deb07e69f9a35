"""Files in instances: where new ones go, how old ones are found, and how all are moved."""
