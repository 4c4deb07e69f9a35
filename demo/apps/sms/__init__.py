"""The ``sms`` plugin type."""
