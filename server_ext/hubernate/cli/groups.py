"""A group of commands that lists when none of it is named: ``hubernate tenants`` is ``hubernate tenants list``."""

from typing import Any

from typer.core import TyperGroup


class Listing(TyperGroup):
    """A group with a command ``list``, which is meant whenever the first argument names no other."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``list`` in front where it was left out."""
        named = bool(args) and (args[0] in self.commands or args[0] == "--help")
        if not named and not ctx.resilient_parsing:  # whoever completes a line shall be offered every command
            args = ["list", *args]
        return super().parse_args(ctx, args)
