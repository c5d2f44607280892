"""From exceptions to exit codes, in this one place."""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from types import FrameType

from typer.exceptions import Abort, TyperException

from naturalist.cli.advice import completed
from naturalist.cli.output import print_json, printable
from naturalist.errors import (
    INTERRUPTED_EXIT_CODE,
    ConfigError,
    MemoryShort,
    NaturalistError,
    StorageFull,
    WorkspaceError,
)
from naturalist.suggestions import choose_one_of

EXIT_CODES = "Exit codes: see `naturalist help exit-codes`."

EXIT_MEANINGS = {
    0: "Success.",
    1: "Another error, or doctor found one. The message says which.",
    2: "The configuration or an argument is wrong. Correct it and run the command again.",
    3: "More pictures failed than failure_budget allows, or would leave the tables than "
    "withdrawal_budget allows. Check them, then accept them with the option in the message.",
    4: "Verification failed, audit found an error, or bucket audit found that anybody can write. "
    "The report names the pictures, files or settings.",
    5: "The workspace cannot be used: another process is writing to it, or another version "
    "made it.",
    6: "A source or a drive is missing or unreadable. Mount it, or correct its path.",
    7: "The object store refused, failed or lost something, or a download failed. Check the URL, "
    "credentials and permissions.",
    8: "The backbone or its weights cannot be used.",
    9: "An optional package, or the dashboard's pages, is missing. Install what the message names.",
    10: "No disk space or memory left. Free some and run the command again.",
    11: "The Ray cluster is away, or no node has the CPU or GPU for the tasks. Start nodes and run "
    "the command again.",
    INTERRUPTED_EXIT_CODE: "Interrupted. Finished work is kept; run the command again to continue.",
}
"""What every exit code means, for people; the table in the README repeats it."""


def run_and_exit(command: Callable[[], object], *, as_json: bool) -> None:
    """Run the command line and end the process with the exit code that its outcome has."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = command()
    except NaturalistError as error:
        _report(type(error).__name__, str(error), error.exit_code, as_json=as_json)
        sys.exit(error.exit_code)
    except TyperException as error:
        text = _usage(error)
        _report("UsageError", text, ConfigError.exit_code, as_json=as_json)
        sys.exit(ConfigError.exit_code)
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED_EXIT_CODE
    except Exception as error:
        short = _shortage(error)
        if short is None:
            raise
        if isinstance(short, StorageFull):
            _drop_output()
        _report(type(short).__name__, str(short), short.exit_code, as_json=as_json)
        sys.exit(short.exit_code)
    if code == INTERRUPTED_EXIT_CODE:
        # Typer gives this code for an interrupt while a command runs, and says nothing.
        text = "interrupted: finished work is kept; run the same command again to continue"
        _report("Interrupted", text, INTERRUPTED_EXIT_CODE, as_json=as_json)
    sys.exit(_flush() or (code if isinstance(code, int) else 0))


def _usage(error: TyperException) -> str:
    """What is wrong with the arguments; an address that lacks its option is shown with it."""
    message = _in_words(error.format_message().rstrip("."))
    text = f"{message}{' See' if message.endswith('?') else '; see'} --help"
    context = getattr(error, "ctx", None)
    options = {name for one in context.command.params for name in one.opts} if context else set()
    extra = re.fullmatch(r"Got unexpected extra argument(?:\(s\))? \((\S+)\)", message)
    if extra and "--from" in options:
        text += f"; for a collection that is elsewhere: --from {extra[1]}"
    return text


_IN_WORDS = (
    (r"Invalid value for (?:'-\w' / )?'(-[^']+)': ", r"\1: "),
    (r"Value error, ", ""),
    (r"Input should be a valid integer, .*", "expected a whole number"),
    (r"Input should be a valid number, .*", "expected a number"),
    (r"Input should be (?:less|greater) than or equal to (\S+)", r"expected {} \1"),
)
"""What the library that checks values says, and plain words; {} is *at most* or *at least*."""
_BETWEEN = "', '"


def _in_words(message: str) -> str:
    """What the parser of arguments says, without words of the library that checks values."""
    bound = "at most" if "less than or" in message else "at least"
    for pattern, words in _IN_WORDS:
        message = re.sub(pattern, words.format(bound), message)
    chosen = re.fullmatch(r"(.*): '([^']*)' is not one of '(.*)'", message)
    if chosen is None:
        return message
    what, word, known = chosen.groups()
    return f"{what} {word!r}: {choose_one_of(word, known.split(_BETWEEN))}"


def _shortage(error: Exception) -> MemoryShort | StorageFull | WorkspaceError | None:
    """What the machine is short of, where that is why something failed."""
    duckdb = sys.modules.get("duckdb")
    if isinstance(error, MemoryError) or (
        duckdb is not None and isinstance(error, duckdb.OutOfMemoryException)
    ):
        return MemoryShort(
            "no memory left: run the same command again with more memory or a higher limit"
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return StorageFull("no space left: free some space and run the same command again")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return WorkspaceError(
            "too many open files: raise the limit (ulimit -n) and run the same command again; "
            "finished work is kept"
        )
    return None


def _flush() -> int:
    """Print what is left to print; the exit code if that fails, else 0."""
    try:
        sys.stdout.flush()
    except OSError as error:
        _drop_output()
        if not isinstance(error, BrokenPipeError):
            print(f"naturalist: cannot write the output: {error.strerror}", file=sys.stderr)
        is_full = error.errno == errno.ENOSPC
        return StorageFull.exit_code if is_full else NaturalistError.exit_code
    return 0


def _drop_output() -> None:
    # Or Python would try to print the rest when it ends, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _report(kind: str, message: str, code: int, *, as_json: bool) -> None:
    message = completed(message)
    if as_json:
        print_json({"ok": False, "error": {"type": kind, "message": message, "exit_code": code}})
    shown = "\n".join(printable(line) for line in message.split("\n"))
    print(f"naturalist: {shown}", file=sys.stderr)
