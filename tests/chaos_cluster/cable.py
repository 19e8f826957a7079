"""A network cable in user space, whose frames can be late, be lost, or end their connections.

    python -m tests.chaos_cluster.cable DEVICE DEVICE

Takes each Ethernet frame that comes out of one device to the other. Reads modes from standard
input, one a line, and answers each with `ready`:

    ok                          every frame, at once
    cut                         none
    slow DELAY LOSS RESETS      each after DELAY seconds, but a share LOSS of them not at all; of
                                the frames of TCP a share RESETS ends its connection instead

For kernels that have no netem. Checksums have to be whole where frames leave a device: see
`whole_frames`.
"""

import array
import fcntl
import heapq
import itertools
import os
import random
import select
import socket
import struct
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

ALL_PROTOCOLS = 0x0003
MOST_BYTES = 1 << 16
# What a device leaves to hardware that a cable has not: numbers of ethtool.h that turn it off.
_SIOCETHTOOL = 0x8946
_OFFLOADS = (
    0x00000017,  # ETHTOOL_STXCSUM
    0x0000001F,  # ETHTOOL_STSO
    0x00000024,  # ETHTOOL_SGSO
    0x0000002C,  # ETHTOOL_SGRO
)
# Of an Ethernet frame with IPv4 in it.
_ETHERNET, _IPV4, _TCP, _RST_AND_ACK = 14, 0x0800, 6, 0x14


@dataclass(frozen=True)
class Mode:
    """What becomes of frames: seconds of delay, shares that are lost and that end a connection."""

    delay_s: float = 0.0
    loss: float = 0.0
    resets: float = 0.0

    @classmethod
    def read(cls, line: str) -> "Mode":
        """ValueError where it is none."""
        match line.split():
            case ["ok"]:
                return cls()
            case ["cut"]:
                return cls(loss=1.0)
            case ["slow", delay, loss, resets]:
                return cls(float(delay), float(loss), float(resets))
        raise ValueError(f"no mode of a cable: {line!r}")


class _Due(NamedTuple):
    at: float
    number: int
    end: socket.socket
    frame: bytes


class Cable:
    """Two ends, and the frames that are on their way between them."""

    def __init__(self, ends: tuple[socket.socket, socket.socket], draw: random.Random) -> None:
        self._across = {ends[0]: ends[1], ends[1]: ends[0]}
        self._draw = draw
        self._on_the_way: list[_Due] = []
        self._numbers = itertools.count()
        self.mode = Mode()

    @property
    def ends(self) -> tuple[socket.socket, ...]:
        """Where frames come in."""
        return tuple(self._across)

    def take(self, end: socket.socket, now: float) -> None:
        """Take one frame that has come out of the device at ``end``."""
        frame, (_, _, kind, *_) = end.recvfrom(MOST_BYTES)
        # A socket of this kind also hears what is sent through it.
        if kind == socket.PACKET_OUTGOING or self._draw.random() < self.mode.loss:
            return
        if self.mode.resets and self._draw.random() < self.mode.resets:
            frame = as_reset(frame) or frame
        due = _Due(now + self.mode.delay_s, next(self._numbers), self._across[end], frame)
        heapq.heappush(self._on_the_way, due)

    def deliver(self, now: float) -> float | None:
        """Send what is due; the seconds until more will be."""
        while self._on_the_way and self._on_the_way[0].at <= now:
            _, _, end, frame = heapq.heappop(self._on_the_way)
            # A host that is gone, a queue that is full: a frame that is lost, as on any cable.
            with suppress(OSError):
                end.send(frame)
        return self._on_the_way[0].at - now if self._on_the_way else None


def as_reset(frame: bytes) -> bytes | None:
    """The frame that ends the connection to which this one belongs; None if it is not of TCP.

    It goes to the same receiver, for whom the connection then is no more; the sender is told so by
    the receiver when it next sends.
    """
    if len(frame) < _ETHERNET + 20 or frame[12:14] != _IPV4.to_bytes(2, "big"):
        return None
    header_length = (frame[_ETHERNET] & 0x0F) * 4
    if frame[_ETHERNET + 9] != _TCP:
        return None
    ip = bytearray(frame[_ETHERNET : _ETHERNET + header_length])
    tcp = bytearray(frame[_ETHERNET + header_length :][:20])
    ip[2:4] = (header_length + 20).to_bytes(2, "big")
    ip[10:12] = b"\0\0"
    ip[10:12] = checksum(bytes(ip))
    tcp[12], tcp[13] = 5 << 4, _RST_AND_ACK
    tcp[16:18] = b"\0\0"
    pseudo_header = bytes(ip[12:20]) + struct.pack("!BBH", 0, _TCP, 20)
    tcp[16:18] = checksum(pseudo_header + bytes(tcp))
    return frame[:_ETHERNET] + bytes(ip) + bytes(tcp)


def checksum(data: bytes) -> bytes:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (~total & 0xFFFF).to_bytes(2, "big")


def whole_frames(device: str) -> None:
    """Have the kernel finish frames before ``device`` sends them: of their usual size, with their
    checksums."""
    with socket.socket() as any_socket:
        for command in _OFFLOADS:
            value = array.array("B", struct.pack("II", command, 0))
            request = struct.pack("16sP", device.encode(), value.buffer_info()[0])
            fcntl.ioctl(any_socket, _SIOCETHTOOL, request)


def plugged(device: str) -> socket.socket:
    """A socket that hears and sends the frames of a device."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    end.bind((device, 0))
    end.setblocking(False)
    return end


def carry(cable: Cable) -> None:
    """Take frames across until standard input ends."""
    poll = select.poll()
    ends = {end.fileno(): end for end in cable.ends}
    for fd in (*ends, sys.stdin.fileno()):
        poll.register(fd, select.POLLIN)
    wait: float | None = None
    while True:
        for fd, _ in poll.poll(None if wait is None else max(0.0, wait) * 1000 + 1):
            if fd in ends:
                with suppress(BlockingIOError, OSError):
                    while True:
                        cable.take(ends[fd], time.monotonic())
            elif not (line := os.read(fd, 4096).decode()):
                return
            else:
                cable.mode = Mode.read(line)
                sys.stdout.write("ready\n")
                sys.stdout.flush()
        wait = cable.deliver(time.monotonic())


def main() -> None:
    first, second = sys.argv[1:3]
    # A cable carries no slower for what else a machine does.
    with suppress(PermissionError):
        os.nice(-20)
    # What comes from the other side leaves through its device too.
    cable = Cable((plugged(first), plugged(second)), random.Random(f"{first} {second}"))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    carry(cable)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--whole-frames", device]:
            whole_frames(device)
        case _:
            main()
