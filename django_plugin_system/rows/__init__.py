"""What a row is: how it is saved and read, what its columns hold, what it hides, and why it is not used."""
