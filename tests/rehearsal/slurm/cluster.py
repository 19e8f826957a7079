"""SLURM on one machine: a controller and two nodes, hosts with a network and a /tmp of their own.

All it keeps is below one directory, its sockets and keys among that; a SLURM or munge that the
machine runs itself is not touched.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.rehearsal.hosts import Host, Network
from tests.rehearsal.stack import ROOT

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "nsenter", "unshare")
CONTROL, NODES = "control", ("n1", "n2")
CPUS = 2
# In name: SLURM hands them out as it does real ones, and nothing trains on them.
GPUS = 2
# A job that is queued again waits for as long as credentials hold; SLURM's default is 120 s.
CREDENTIALS_S = 20
# A node that does not answer for so long is down; the default is 300 s.
NODE_DOWN_S = 15
READY_WITHIN_S, ENDS_WITHIN_S = 60.0, 60.0
CONFIGURATION = """
ClusterName=almkd
SlurmctldHost={machine}({control})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={place}/munge/socket,cred_expire={credentials_s}
StateSaveLocation={place}/state
SlurmctldPidFile={place}/slurmctld.pid
SlurmdPidFile={place}/slurmd-%n.pid
SlurmdSpoolDir={place}/spool-%n
SlurmctldLogFile={place}/slurmctld.log
SlurmdLogFile={place}/slurmd-%n.log
SlurmctldDebug=verbose
SlurmdTimeout={node_down_s}
ReturnToService=2
ProctrackType=proctrack/{tracked_by}
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MailProg=/bin/true
GresTypes=gpu
{nodes}
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=all Nodes={names} Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName={urgent} Nodes={names} MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
"""
# Jobs of this partition take the nodes of others.
URGENT = "urgent"
# Where the processes of a job are kept track of by cgroups, as on most clusters, its shells alone
# are told to end; where by who started whom, all of its processes are.
CGROUPS = Path("/sys/fs/cgroup")


class NotReady(Exception):
    """SLURM did not come up, or not to a state that was waited for."""


class Slurm:
    """A running SLURM; commands are run on the controller's host, as on a login node."""

    def __init__(self, network: Network, place: Path) -> None:
        self._hosts, self.place = network.hosts, place
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        for folder in ("state", "munge", *(f"spool-{n}" for n in NODES), *NODES):
            (place / folder).mkdir(mode=0o755)
        for node in NODES:
            # As /tmp is.
            (place / node).chmod(0o1777)
        self.has_cgroups = os.access(CGROUPS / "freezer", os.W_OK)
        (place / "slurm.conf").write_text(self._configuration())
        devices = ("/dev/null", "/dev/zero")
        (place / "gres.conf").write_text("".join(f"Name=gpu File={file}\n" for file in devices))
        (place / "cgroup.conf").write_text(f"CgroupMountpoint={CGROUPS}\n")

    def start(self) -> None:
        """All daemons; both nodes take jobs when this returns."""
        key = self.place / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        places = {"key-file": "key", "log-file": "log", "pid-file": "pid", "seed-file": "seed"}
        options = [f"--{name}={self.place / 'munge' / file}" for name, file in places.items()]
        self._run_daemon("munged", self._socket_option(), *options, "--foreground")
        self.wait(self._munge_answers, "munged answers")
        at_control = self._enter(self._hosts[CONTROL])
        self._run_daemon("slurmctld", "-D", "-f", self._conf, enter=at_control)
        for node in NODES:
            self.start_node(node)
        self.wait(lambda: self.states() == dict.fromkeys(NODES, "idle"), "both nodes are idle")

    def start_node(self, name: str) -> None:
        """A node's daemon, whose jobs have the node's network and the node's /tmp."""
        own = f'mount --make-rprivate / && mount --bind {self.place / name} /tmp && exec "$@"'
        enter = [*self._enter(self._hosts[name]), "unshare", "--mount", "sh", "-c", own, "sh"]
        self._run_daemon("slurmd", "-D", "-N", name, "-f", self._conf, enter=enter, called=name)

    def kill_node(self, name: str) -> None:
        """Everything that runs on it, at once."""
        for process in self.processes(name, with_daemon=True):
            with suppress(psutil.Error):
                process.kill()
        self._daemons.pop(name).wait()

    def processes(self, name: str, with_daemon: bool = False) -> list[psutil.Process]:
        """What runs on a node beside its daemon."""
        network = os.stat(f"/run/netns/{self._namespace(self._hosts[name])}").st_ino
        found = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                own = os.stat(f"/proc/{process.pid}/ns/net").st_ino == network
                if own and (with_daemon or process.pid != self._daemons[name].pid):
                    found.append(process)
        return found

    def ports(self, name: str) -> set[int]:
        """The ports on which something on a node listens."""
        found = set()
        for table in ("tcp", "tcp6"):
            lines = Path(f"/proc/{self._daemons[name].pid}/net/{table}").read_text().splitlines()
            for fields in (line.split() for line in lines[1:]):
                if fields[3] == "0A":
                    found.add(int(fields[1].rpartition(":")[2], 16))
        return found

    def temporary(self, name: str) -> list[str]:
        """What is in a node's /tmp."""
        return sorted(os.listdir(self.place / name))

    def states(self) -> dict[str, str]:
        """Each node's state, as sinfo has it."""
        told = self.run("sinfo", "--noheader", "--Node", "--format=%N %T")
        return dict(line.split() for line in told.splitlines())

    def job(self, number: str) -> dict[str, str]:
        """What SLURM knows of a job; words without a value are left out."""
        told = self.run("scontrol", "show", "job", number, "--oneliner")
        return dict(word.partition("=")[::2] for word in told.split() if "=" in word)

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> str:
        """What a command on the login host prints; RuntimeError where it fails."""
        done = subprocess.run(
            [*self._enter(self._hosts[CONTROL]), *command],
            capture_output=True, text=True, check=False, cwd=self.place,
            env={**self.environment(), **(environment or {})},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def as_user(self, name: str) -> tuple[str, ...]:
        """What puts a command into the place of another user; empty where that user cannot run this
        Python, as when it is in somebody's home."""
        user = pwd.getpwnam(name)
        enter = (
            *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
            *("--inh-caps=-all", "--bounding-set=-all"),
            # setpriv itself finds its command with what root may read.
            "env",
        )
        try:
            self.run(*enter, sys.executable, "-c", "import sweep.cli")
        except RuntimeError:
            return ()
        return enter

    def environment(self) -> dict[str, str]:
        """Of a user on the login host."""
        return {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin:/usr/sbin:/sbin",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.place),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "SLURM_CONF": self._conf,
        }

    def wait(
        self, what: Callable[[], bool], expected: str, within_s: float = READY_WITHIN_S
    ) -> None:
        """Wait until something is so; NotReady if it does not become so in time."""
        deadline = time.monotonic() + within_s
        while not what():
            if time.monotonic() > deadline:
                raise NotReady(f"not within {within_s:g} s: {expected}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End everything that is left of it."""
        for daemon in reversed(list(self._daemons.values())):
            daemon.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(timeout=ENDS_WITHIN_S)
        for name in self._hosts:
            network = f"/run/netns/{self._namespace(self._hosts[name])}"
            for process in psutil.process_iter():
                with suppress(OSError, psutil.Error):
                    if os.path.samefile(f"/proc/{process.pid}/ns/net", network):
                        process.kill()
                        process.wait(ENDS_WITHIN_S)
        for name in NODES:
            for top in CGROUPS.glob(f"*/slurm_{name}"):
                for directory, _, _ in os.walk(top, topdown=False):
                    with suppress(OSError):
                        os.rmdir(directory)

    @property
    def _conf(self) -> str:
        return str(self.place / "slurm.conf")

    def _configuration(self) -> str:
        machine = socket.gethostname()
        nodes = [
            f"NodeName={name} NodeHostname={machine} NodeAddr={self._hosts[name].address} "
            f"Port={6818 + number} CPUs={CPUS} Gres=gpu:{GPUS} State=UNKNOWN"
            for number, name in enumerate(NODES)
        ]
        return CONFIGURATION.format(
            machine=machine,
            control=self._hosts[CONTROL].address,
            tracked_by="cgroup" if self.has_cgroups else "linuxproc",
            urgent=URGENT,
            place=self.place,
            credentials_s=CREDENTIALS_S,
            node_down_s=NODE_DOWN_S,
            nodes="\n".join(nodes),
            names=",".join(NODES),
        )

    def _run_daemon(
        self, program: str, *options: str, enter: list[str] | None = None, called: str = ""
    ) -> None:
        with (self.place / f"{called or program}.out").open("ab") as file:
            self._daemons[called or program] = subprocess.Popen(
                [*(enter or ()), program, *options],
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                cwd=self.place, env=self.environment(), start_new_session=True,
            )  # fmt: skip

    def _socket_option(self) -> str:
        return f"--socket={self.place / 'munge' / 'socket'}"

    def _munge_answers(self) -> bool:
        try:
            self.run("munge", "--no-input", self._socket_option())
        except RuntimeError:
            return False
        return True

    def _enter(self, host: Host) -> list[str]:
        """The host's network alone: `ip netns exec` would also hide cgroups, which slurmd reads."""
        return ["nsenter", f"--net=/run/netns/{self._namespace(host)}"]

    def _namespace(self, host: Host) -> str:
        return host.enter[-1]


def lacking() -> str:
    """What keeps SLURM from being started here; empty if nothing does."""
    path = "/usr/bin:/bin:/usr/sbin:/sbin"
    missing = [name for name in NEEDED if not shutil.which(name, path=path)]
    if missing:
        return f"no {', '.join(missing)}; apt-get install slurmctld slurmd slurm-client munge"
    for needed in (ROOT, Path(sys.prefix)):
        if needed.is_relative_to("/tmp"):
            return f"{needed} is below /tmp, of which each node has its own; put it elsewhere"
    return "" if os.geteuid() == 0 else "only root can start a SLURM whose jobs are several users'"


@contextmanager
def slurm(network: Network, place: Path) -> Iterator[Slurm]:
    """A SLURM, ended with the block."""
    cluster = Slurm(network, place)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
