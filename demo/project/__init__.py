"""The demo project: settings, addresses and what is secret on this machine."""
