"""The cable: what passes, what is late, what is lost, and that a connection it ends has ended."""

import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.chaos_cluster.cable import Mode, as_reset, checksum
from tests.chaos_cluster.commanded import Commanded
from tests.chaos_cluster.wiring import put_cable
from tests.rehearsal.hosts import Network, network

PORT = 7000
# Sends back what it gets, to one connection after another.
ECHO = f"""
import socket
with socket.create_server(("0.0.0.0", {PORT})) as server:
    print("ready", flush=True)
    while True:
        connection, _ = server.accept()
        try:
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)
        except ConnectionError:
            pass
"""
# For each line, a number of bytes: how many came back as they were sent, or the error's name, and
# the seconds that it took. A connection that has ended is made anew.
SPEAK = f"""
import os, socket, sys, time
connection = None
print("ready", flush=True)
for line in sys.stdin:
    sent, back = os.urandom(int(line)), b""
    began = time.monotonic()
    try:
        if connection is None:
            connection = socket.create_connection((sys.argv[1], {PORT}), timeout=60)
            began = time.monotonic()
        connection.sendall(sent)
        while len(back) < len(sent):
            part = connection.recv(65536)
            if not part:
                raise ConnectionResetError
            back += part
        said = "same" if back == sent else "other"
    except ConnectionError as error:
        connection, said = None, type(error).__name__
    print(said, time.monotonic() - began, flush=True)
"""


@dataclass
class Line:
    """Two hosts that speak to each other, through a cable at one of them."""

    cable: Commanded
    speaker: subprocess.Popen[str]

    def begin(self, count: int) -> None:
        """Send so many bytes."""
        assert self.speaker.stdin is not None
        self.speaker.stdin.write(f"{count}\n")
        self.speaker.stdin.flush()

    def heard(self) -> tuple[str, float]:
        """What came of them, after how many seconds."""
        assert self.speaker.stdout is not None
        said, seconds = self.speaker.stdout.readline().split()
        return said, float(seconds)

    def say(self, count: int) -> tuple[str, float]:
        """Both."""
        self.begin(count)
        return self.heard()


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    log = tmp_path_factory.mktemp("cable") / "log"
    with network(("left", "right")) as net:
        if not net.apart:
            pytest.skip("no network namespaces can be made")
        cable = put_cable(net, "right", log)
        echo = _python(net, "right", ECHO)
        speaker = _python(net, "left", SPEAK, net.hosts["right"].address)
        try:
            yield Line(cable, speaker)
        finally:
            cable.end()
            for process in (echo, speaker):
                process.kill()
                process.communicate()


def _python(net: Network, host: str, program: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*net.hosts[host].enter, sys.executable, "-c", program, *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_all_that_is_sent_comes_as_it_was_sent(line: Line) -> None:
    assert line.say(1)[0] == "same"
    # More than a frame holds, and than hardware would take at once.
    assert line.say(2_000_000)[0] == "same"


def test_what_is_late_takes_the_delay_on_both_ways(line: Line) -> None:
    assert line.say(1)[0] == "same"
    line.cable.tell("slow 0.1 0 0")
    said, seconds = line.say(1)
    line.cable.tell("ok")
    assert said == "same"
    assert seconds > 0.2


def test_a_cable_that_is_cut_lets_nothing_pass_until_it_is_whole_again(line: Line) -> None:
    assert line.say(1)[0] == "same"
    line.cable.tell("cut")
    line.begin(1000)
    # Longer than it takes to send what was lost again.
    with pytest.raises(subprocess.TimeoutExpired):
        line.speaker.wait(1.0)
    line.cable.tell("ok")
    said, seconds = line.heard()
    assert said == "same"
    assert seconds > 1.0


def test_frames_that_are_lost_are_sent_again(line: Line) -> None:
    assert line.say(1)[0] == "same"
    line.cable.tell("slow 0 0.05 0")
    said, _ = line.say(50_000)
    line.cable.tell("ok")
    assert said == "same"


def test_a_connection_that_is_ended_has_ended_and_another_can_be_made(line: Line) -> None:
    assert line.say(1)[0] == "same"
    line.cable.tell("slow 0 0 1")
    line.begin(1)
    with pytest.raises(subprocess.TimeoutExpired):
        line.speaker.wait(0.5)
    # Who has sent is told when it sends again.
    line.cable.tell("ok")
    said, _ = line.heard()
    assert said in ("ConnectionResetError", "BrokenPipeError")
    assert line.say(1000)[0] == "same"


def test_a_frame_that_ends_a_connection_has_its_checksums() -> None:
    payload = b"what was said"
    ip = struct.pack(
        "!BBHHHBBH4s4s", 0x45, 0, 40 + len(payload), 1, 0, 64, 6, 0,
        socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2"),
    )  # fmt: skip
    tcp = struct.pack("!HHIIBBHHH", 40000, 80, 123, 456, 5 << 4, 0x18, 1000, 0, 0)
    ethernet = b"\0" * 12 + b"\x08\x00"
    reset = as_reset(ethernet + ip + tcp + payload)
    assert reset is not None
    assert reset[:14] == ethernet
    assert checksum(reset[14:34]) == b"\0\0"
    assert checksum(reset[26:34] + struct.pack("!BBH", 0, 6, 20) + reset[34:]) == b"\0\0"
    ports_and_numbers, flags = struct.unpack("!HHII", reset[34:46]), reset[47]
    assert ports_and_numbers == (40000, 80, 123, 456)
    assert flags == 0x14
    assert len(reset) == 54


@pytest.mark.parametrize("kind", [b"\x08\x06", b"\x86\xdd"], ids=["ARP", "IPv6"])
def test_what_is_not_of_tcp_ends_nothing(kind: bytes) -> None:
    assert as_reset(b"\0" * 12 + kind + b"\0" * 60) is None


def test_a_checksum_is_that_of_the_rfc() -> None:
    # The example of RFC 1071, section 3.
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == bytes.fromhex("220d")


@pytest.mark.parametrize("line", ["", "slow", "slow 1", "slower 1 0 0", "off"])
def test_what_is_no_mode_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="no mode"):
        Mode.read(line)
