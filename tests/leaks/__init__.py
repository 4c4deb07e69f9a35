"""A marked secret is planted and looked for wherever it could come out; difficult texts come back as they were."""
