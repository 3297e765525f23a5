"""Who is at the other end of a local socket: asked of the kernel by sock_diag(7)."""

from __future__ import annotations

import socket
import struct
from typing import Optional

SOCK_DIAG = 4  # a protocol of netlink, see linux/netlink.h
BY_FAMILY, REQUEST = 20, 1  # linux/sock_diag.h, linux/netlink.h
ALL_STATES = 0xFFFFFFFF
ANY_COOKIE = 0xFFFFFFFF
SHOW_PEER, PEER = 4, 2  # linux/unix_diag.h
HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
QUESTION = struct.Struct("=BBHIIIII")  # family, protocol, -, states, inode, what to show, cookie
ANSWER_BYTES = 16
ATTRIBUTE = struct.Struct("=HHI")  # length, type, the inode of a peer
RECEIVED_BYTES = 4096
WAIT_S = 1.0  # it is answered while it is asked


def peer_of(inode: int) -> Optional[int]:
    """The inode of the socket that this one is connected to; None where it is not, or where that
    cannot be asked."""
    asked = QUESTION.pack(
        socket.AF_UNIX, 0, 0, ALL_STATES, inode, SHOW_PEER, ANY_COOKIE, ANY_COOKIE
    )
    header = HEADER.pack(HEADER.size + len(asked), BY_FAMILY, REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as diagnosis:
            diagnosis.settimeout(WAIT_S)
            diagnosis.send(header + asked)
            answer = diagnosis.recv(RECEIVED_BYTES)
    except OSError:
        return None
    if HEADER.unpack_from(answer)[1] != BY_FAMILY:  # an error: there is no such local socket
        return None
    at = HEADER.size + ANSWER_BYTES
    while at + ATTRIBUTE.size <= len(answer):
        size, kind, value = ATTRIBUTE.unpack_from(answer, at)
        if kind == PEER:
            return int(value) or None
        at += max(size + 3 & ~3, 4)
    return None
