"""Export to a document and import from it."""
