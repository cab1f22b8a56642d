"""The domain: frozen models and pure functions; no I/O, clock or framework."""
