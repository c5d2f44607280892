"""The process that commands are forked from: it has imported the program once.

`faults.forking` starts it with one end of a pair of sockets. For each command it gets one end of
another pair, by which it says the number of the process and how it ended. Each command has a
keeper: a fork of the server that forks the command, and reaps it only when nobody can mean it any
more by its number.
"""

import importlib
import os
import pkgutil
import signal
import socket
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection

import naturalist.cli
import naturalist.curation
import naturalist.pipeline
from faults.starts import make_collection
from faults.striking import Asked, run_here
from naturalist.pipeline import runner
from naturalist.running.executors import InlineExecutor
from tiny import in_memory

_PACKAGES = (naturalist.cli, naturalist.curation, naturalist.pipeline)
_MODULES = (
    *("boto3", "duckdb", "pyarrow.parquet", "uvicorn", "naturalist.consume.pulling"),
    *("naturalist.dashboard.connections", "naturalist.dashboard.reviewing"),
)


def main() -> None:
    """Fork a keeper for each end of a pair of sockets that comes, until the other side is gone."""
    warm_up(sys.argv[2:])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        while True:
            message, handles, *_ = socket.recv_fds(control, 1, 1)
            if not message:
                return
            if not os.fork():
                control.close()
                keep(Connection(handles[0]))
                return
            os.close(handles[0])


def warm_up(commands: Sequence[str]) -> None:
    """Import what commands import, early and late; what is imported late, by running them."""
    for package in _PACKAGES:
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
    for name in _MODULES:
        importlib.import_module(name)
    with in_memory() as folder:
        make_collection(folder / "warm")
        for command in commands:
            run_here(command.split(), folder / "warm")


def keep(talk: Connection) -> None:
    """Fork a command, say its number, its exit code when it has ended, and reap it when told to."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked: Asked = talk.recv()
    pid = os.fork()
    if not pid:
        talk.close()
        begin(asked)
        return
    try:
        talk.send(pid)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        talk.send(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)
        talk.recv()
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


def begin(asked: Asked) -> None:
    """Be the command."""
    os.setsid()
    os.chdir(asked.folder)
    os.environ.clear()
    os.environ.update(asked.environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(asked.printed, 1):
        os.dup2(os.open(path, os.O_WRONLY), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["naturalist", *asked.arguments]
    if asked.is_alone:
        runner.__dict__["ProcessExecutor"] = lambda *_: InlineExecutor()
    if asked.is_stopped:
        os.kill(os.getpid(), signal.SIGSTOP)
    naturalist.cli.main()


if __name__ == "__main__":
    main()
