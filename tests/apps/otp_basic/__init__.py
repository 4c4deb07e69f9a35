"""An app of the 1.1.0 kind: it declares plugin items when it is ready."""
