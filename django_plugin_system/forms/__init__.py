"""Generated configuration forms: pydantic models drawn by django-jsonform, with write-only secrets.

Nothing here knows the models of this package. Read it in this order:

- ``controls``: what any control of a form can do; ``scalars``, ``secret``, ``jsontext``, ``containers``, ``groups`` and
  ``variants``: the controls;
- ``builder``, with ``leaves`` and ``labels``: from types to controls;
- ``vault``: stored secrets as placeholders; ``textmode``: the whole configuration as one JSON text;
- ``binding``: one row's configuration and its form; ``titles``: how people know a value in it;
- ``field`` and ``widgets``: what Django sees of it.
"""
