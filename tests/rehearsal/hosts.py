"""Hosts to run the stack on: network namespaces of one machine, or else its loopback alone.

A namespace has an address, ports and a loopback of its own, and reaches the others through a bridge
in a namespace that nothing else is in. No packet of it leaves them: there is no way out.
"""

import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

# Of the loopback each host has an address of its own, so that Ray tells the nodes apart.
LOOPBACK = "127.0.0.{}"
OWN = "127.0.0.1"
# Addresses that are given to nobody (RFC 5737).
ADDRESS = "192.0.2.{}"
_SWITCH = "switch"
BRIDGE = "bridge"


@dataclass(frozen=True)
class Host:
    """A host: its address for others and for itself, and what puts a command there.

    ``plug``: the device at the other end of its cable, where it has one.
    """

    name: str
    address: str
    own: str
    enter: tuple[str, ...] = ()
    plug: str = ""


@dataclass(frozen=True)
class Network:
    """Hosts by name, and whether they are apart: with ports and a loopback of each its own.

    ``switch``: what puts a command where all cables end, in the device `BRIDGE`.
    """

    hosts: dict[str, Host]
    apart: bool
    switch: tuple[str, ...] = ()

    def port(self, usual: int) -> int:
        """A port that is free on every host: the usual one where they are apart."""
        if self.apart:
            return usual
        with socket.socket() as probe:
            probe.bind(("", 0))
            port: int = probe.getsockname()[1]
            return port


@contextmanager
def network(names: Sequence[str], loopback: bool = False) -> Iterator[Network]:
    """Hosts of these names: apart where this machine lets them be, unless ``loopback``."""
    with ExitStack() as ended:
        hosts = None if loopback else _apart(names, ended)
        if hosts:
            yield Network(hosts, apart=True, switch=_enter(_namespace(_SWITCH)))
        else:
            addresses = [LOOPBACK.format(number) for number in range(2, len(names) + 2)]
            near = {name: Host(name, a, a) for name, a in zip(names, addresses, strict=True)}
            yield Network(near, apart=False)


def _apart(names: Sequence[str], ended: ExitStack) -> dict[str, Host] | None:
    """Hosts in namespaces; None where they may not be made."""
    try:
        return ended.enter_context(_namespaces(names))
    except (OSError, subprocess.CalledProcessError):
        return None


@contextmanager
def _namespaces(names: Sequence[str]) -> Iterator[dict[str, Host]]:
    with ExitStack() as ended:
        for name in (_SWITCH, *names):
            _ip("netns", "add", _namespace(name))
            ended.callback(_delete, _namespace(name))
            _ip("-n", _namespace(name), "link", "set", "lo", "up")
        _ip("-n", _namespace(_SWITCH), "link", "add", BRIDGE, "type", "bridge")
        _ip("-n", _namespace(_SWITCH), "link", "set", BRIDGE, "up")
        yield {name: _plug_in(name, number) for number, name in enumerate(names, 1)}


def _plug_in(name: str, number: int) -> Host:
    """A host with its cable to the bridge."""
    host, switch, address = _namespace(name), _namespace(_SWITCH), ADDRESS.format(number)
    plug = f"port{number}"
    _ip("-n", switch, "link", "add", plug, "type", "veth", "peer", "name", "eth0", "netns", host)
    _ip("-n", switch, "link", "set", plug, "master", BRIDGE, "up")
    _ip("-n", host, "address", "add", f"{address}/24", "dev", "eth0")
    _ip("-n", host, "link", "set", "eth0", "up")
    # Leads to nobody; Ray finds a node's own address by it.
    _ip("-n", host, "route", "add", "default", "dev", "eth0")
    enter = _enter(host)
    subprocess.run([*enter, "true"], check=True, capture_output=True)
    return Host(name, address, OWN, enter, plug)


def _enter(namespace: str) -> tuple[str, ...]:
    return ("ip", "netns", "exec", namespace)


def _namespace(name: str) -> str:
    return f"almkd-{os.getpid()}-{name}"


def _delete(namespace: str) -> None:
    with suppress(subprocess.CalledProcessError):
        _ip("netns", "delete", namespace)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
