"""What a test puts in the place of plugins, and what keeps a test run from building real ones."""
