"""An app of the 1.1.0 kind: it declares a plugin type when it is ready, and loops over the plugins by hand."""
