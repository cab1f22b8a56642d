"""Notebooks that show what can be done: copied into the home folder, run from there, tested by running them."""
