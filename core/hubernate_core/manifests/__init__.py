"""Kubernetes objects as plain dicts: one frozen spec in, no I/O. The shapes are those of YAML (0002)."""
