"""The command line: parse, make one call, print the result."""

from naturalist.cli.app import main

__all__ = ["main"]
