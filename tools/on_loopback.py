"""Run a command where loopback is the only network, and where all its processes end with it.

Ray's nodes talk over the network of their machine. In a network namespace of its own they can only
talk to each other; in a process namespace of its own none of them outlives the command. Where the
system allows neither, the command runs as it is, and its tests say why they are skipped.

    python tools/on_loopback.py pytest -q tests/ray
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys

_SPACES = ["--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def is_alone() -> bool:
    """Whether loopback is the only network here."""
    return [name for _, name in socket.if_nameindex()] == ["lo"]


def prefix() -> list[str]:
    """What to put before a command; empty if no namespace can be made."""
    unshare = shutil.which("unshare")
    for more in ([], ["--map-root-user"]):
        tried = [unshare or "unshare", *more, *_SPACES]
        if unshare and subprocess.run([*tried, "true"], capture_output=True).returncode == 0:
            return tried
    return []


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        fcntl.ioctl(one, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP))


def main(command: list[str]) -> None:
    """Become the command; does not come back."""
    if is_alone():
        _raise_loopback()
    elif space := prefix():
        command = [*space, sys.executable, __file__, *command]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
