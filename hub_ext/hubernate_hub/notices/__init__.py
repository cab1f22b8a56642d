"""Telling people outside of the platform what happened: by webhook and by mail."""
