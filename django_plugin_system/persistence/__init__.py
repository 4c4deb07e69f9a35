"""What the tables need beside their models: who is told of a change, dates of secrets, why a row cannot be used."""
