"""From exceptions to exit codes, in this one place."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from types import FrameType

from typer.exceptions import Abort, TyperException

from naturalist.cli.output import print_json, printable
from naturalist.errors import (
    INTERRUPTED_EXIT_CODE,
    ConfigError,
    MemoryShort,
    NaturalistError,
    StorageFull,
)

EXIT_CODES = """\
Exit codes: 0 done; 1 other error; 2 bad configuration or usage; 3 a budget is exceeded;
4 verification failed; 5 workspace unusable or locked; 6 source or drive missing; 7 store failed;
8 backbone unusable; 9 optional package missing; 10 no space or memory left; 130 interrupted."""


def run_and_exit(command: Callable[[], object], *, as_json: bool) -> None:
    """Run the command line and end the process with the exit code that its outcome has."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = command()
    except NaturalistError as error:
        _report(type(error).__name__, str(error), error.exit_code, as_json=as_json)
        sys.exit(error.exit_code)
    except TyperException as error:
        said = f"{error.format_message().rstrip('.')}; see --help"
        _report("UsageError", said, ConfigError.exit_code, as_json=as_json)
        sys.exit(ConfigError.exit_code)
    except (KeyboardInterrupt, Abort):
        code = INTERRUPTED_EXIT_CODE
    except Exception as error:
        short = _shortage(error)
        if short is None:
            raise
        _report(type(short).__name__, str(short), short.exit_code, as_json=as_json)
        sys.exit(short.exit_code)
    if code == INTERRUPTED_EXIT_CODE:
        # Typer gives this code for an interrupt while a command runs, and says nothing.
        said = "interrupted: what was finished is kept; the same command goes on from there"
        _report("Interrupted", said, INTERRUPTED_EXIT_CODE, as_json=as_json)
    sys.exit(_flush() or (code if isinstance(code, int) else 0))


def _shortage(error: Exception) -> MemoryShort | StorageFull | None:
    """What the machine is short of, where that is why something failed."""
    duckdb = sys.modules.get("duckdb")
    if isinstance(error, MemoryError) or (
        duckdb is not None and isinstance(error, duckdb.OutOfMemoryException)
    ):
        return MemoryShort(
            "no memory left: run the same command again with more memory or a higher limit"
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _drop_output()
        return StorageFull("no space left: free some space and run the same command again")
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
    if as_json:
        print_json({"error": {"type": kind, "message": message, "exit_code": code}})
    shown = "\n".join(printable(line) for line in message.split("\n"))
    print(f"naturalist: {shown}", file=sys.stderr)
