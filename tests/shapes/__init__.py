"""Every shape of configuration: one table that codec, forms, drift gate, export and error location are tried on."""
