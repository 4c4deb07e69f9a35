"""Courier, an SMS provider whose tokens end soon: they are kept as the state of an instance, and renew themselves."""
