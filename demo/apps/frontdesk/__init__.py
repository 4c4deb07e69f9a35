"""The front page, and the commands that set the demo up."""
