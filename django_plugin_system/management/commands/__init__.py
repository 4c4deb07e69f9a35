"""The commands ``manage.py`` offers."""
