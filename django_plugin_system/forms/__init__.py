"""Generated configuration forms: pydantic models drawn by django-jsonform, with write-only secrets.

Nothing here knows the models of this package. Read it in this order:

- ``controls``: what any control of a form can do; ``scalars`` and ``containers``: the controls;
- ``builder``: from a model's tree to controls;
- ``placeholders``: what stands for secrets in the browser, for stored ones and for those that are not stored yet;
- ``binding``: one row's configuration and its form, also as one JSON text, and for people who may only look;
- ``field``: what Django sees of it, and where else a value may stand; ``messages``: errors in the operator's words.
"""
