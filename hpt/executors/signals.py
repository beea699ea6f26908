"""Blocked signals as something to wait for beside sockets. Linux; standard library only."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_SIGSET = 128  # bytes of a sigset_t
_INFO = 128  # bytes of a struct signalfd_siginfo
_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000


def open_signals(numbers: Iterable[int]) -> int:
    """A descriptor that is readable while one of the signals, which must be blocked, is pending."""
    mask = bytearray(_SIGSET)
    for number in numbers:
        mask[(number - 1) // 8] |= 1 << (number - 1) % 8
    library = ctypes.CDLL(None, use_errno=True)
    fd: int = library.signalfd(-1, (ctypes.c_char * _SIGSET).from_buffer(mask), _CLOEXEC_NONBLOCK)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "signalfd")
    return fd


def drain(fd: int) -> None:
    """Take every pending signal."""
    try:
        while os.read(fd, 16 * _INFO):
            pass
    except BlockingIOError:
        pass
