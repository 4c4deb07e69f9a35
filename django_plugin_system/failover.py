"""Try one instance after the other until one serves, and set aside for a while those that do not."""
