"""Kubernetes: the only place that speaks to its API. Every call has a deadline; objects are plain dicts."""
