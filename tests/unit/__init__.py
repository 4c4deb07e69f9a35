"""One module at a time, without a database: what is declared, stored, opened, registered and checked."""
