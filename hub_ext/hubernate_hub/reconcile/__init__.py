"""Loops that finish what crashed, was forgotten or has idled."""
