"""An app of a user's: it keeps which plugin items each person wants."""
