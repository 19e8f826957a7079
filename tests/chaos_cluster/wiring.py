"""A cable that obeys in the place of one that does not."""

import subprocess
import sys
from pathlib import Path

from tests.chaos_cluster.commanded import Commanded
from tests.rehearsal.compose import ROOT
from tests.rehearsal.hosts import BRIDGE, Network


def put_cable(net: Network, name: str, log: Path) -> Commanded:
    """Between a host and the bridge, a cable that obeys (`tests.chaos_cluster.cable`)."""
    host, switch = net.hosts[name], net.switch
    inner, outer = f"{host.plug}-in", f"{host.plug}-out"
    for words in (
        ("link", "set", host.plug, "nomaster"),
        ("link", "add", inner, "type", "veth", "peer", "name", outer),
        ("link", "set", outer, "master", BRIDGE, "up"),
        ("link", "set", inner, "up"),
    ):
        subprocess.run([*switch, "ip", *words], check=True, capture_output=True)
    whole = (sys.executable, "-m", "tests.chaos_cluster.cable", "--whole-frames")
    for enter, device in ((host.enter, "eth0"), (switch, outer)):
        subprocess.run([*enter, *whole, device], check=True, cwd=ROOT)
    return Commanded(switch, "cable", host.plug, inner, log=log)
