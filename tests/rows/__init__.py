"""How a row is written: save, create, bulk calls, fixtures, migrations."""
