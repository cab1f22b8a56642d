"""The `hubernate` command. Other deployables add sub-commands through the entry point group `hubernate.commands`."""

from .root import main

__all__ = ["main"]
