"""Generated configuration forms: pydantic models drawn by django-jsonform, with write-only secrets.

Nothing here knows the models of this package. Read it in this order:

- ``controls``: what any control of a form can do; ``scalars`` and ``containers``: the controls;
- ``builder``: from a model's tree to controls;
- ``placeholders``: what stands for stored secrets in the browser; ``typed_secrets``: for those that are not stored yet;
- ``binding``: one row's configuration and its form, also as one JSON text;
- ``field``: what Django sees of it; ``messages``: errors in the operator's language.
"""
