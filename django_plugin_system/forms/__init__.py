"""Generated configuration forms: pydantic models drawn by django-jsonform, with write-only secrets.

Nothing here knows the models of this package. Read it in this order: ``controls`` (what any control of a form can do),
``scalars``, ``containers``, ``variants``, ``secret`` and ``jsontext`` (the controls), ``builder`` (types to controls), ``vault``
(stored secrets as placeholders), ``binding`` (one row's configuration and its form), ``field`` and ``widgets`` (Django).
"""
