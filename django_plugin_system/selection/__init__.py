"""Which instance is used now, how instances fare, and what is tried when one fails."""
