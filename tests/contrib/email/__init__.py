"""Django's mails through instances: the backend, its providers, and mail servers that fail in each way."""
