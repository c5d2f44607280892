"""Copies that share their bytes until one of them is written to (reflinks).

Btrfs, XFS (made with reflink=1, the default since 2019), bcachefs, OCFS2, and ZFS from 2.2 on have
them; ext4, tmpfs and most network file systems do not. Source: ioctl_ficlone(2).
"""

import errno
import fcntl
import secrets
from pathlib import Path

_FICLONE = 0x40049409
_CANNOT = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EPERM)
_PROBE = b"naturalist" * 1024


def clone(source: int, target: int) -> bool:
    """Give a new file the bytes of another one, both by their handles.

    Returns:
        Whether the file system could; if not, `target` is as it was.

    Raises:
        OSError: something else is wrong, such as a full drive.
    """
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def can_clone(folder: Path) -> bool:
    """Whether files of a folder's file system can be cloned; tried out with two small ones."""
    name = folder / f".clone-{secrets.token_hex(4)}"
    first, second = name.with_suffix(".a.tmp"), name.with_suffix(".b.tmp")
    try:
        first.write_bytes(_PROBE)
        with first.open("rb") as source, second.open("wb") as target:
            return clone(source.fileno(), target.fileno())
    finally:
        for path in (first, second):
            path.unlink(missing_ok=True)
