"""Whether a store of SQLite may be where it is to be: a network file system may corrupt it.

SQLite keeps two processes apart by POSIX locks, and rolls back what a process left half written
when it sees no lock. A network file system whose locks hold on one machine alone lets a reader on
another machine roll back what is being written. That is what differs on a cluster: the job writes
on its node, `almkd status` reads on the login node, and the next start of the job may be on another
node. All else in a runs directory is written by one launch and needs no lock between machines where
the tracking store is a server: the claim there (`sweep.adapters.mlflow.claim`) keeps a second out.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import BadInput

MOUNTS = Path("/proc/self/mountinfo")
# Kinds of file systems that several machines share, by their names in the table of mounts; those
# of FUSE are fuse.NAME. FUSE's kinds for disks of one machine are left out.
SHARED = frozenset({
    "9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "fhgfs", "fuse", "gfs", "gfs2",
    "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "pvfs2", "smb3",
    "smbfs", "wekafs",
})  # fmt: skip
ON_ONE_MACHINE = frozenset({"fuse.fuse-overlayfs", "fuse.lxcfs", "fuse.portal", "fuse.squashfuse"})
# Set by who has seen that locks hold between the machines.
TRUSTED = "ALMKD_SQLITE_ON_NETWORK"
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A file system, and where it is mounted."""

    point: Path
    kind: str

    @property
    def is_shared(self) -> bool:
        """Whether other machines may have it, too."""
        of_fuse = self.kind.startswith("fuse.") and self.kind not in ON_ONE_MACHINE
        return self.kind in SHARED or of_fuse


def mount_of(path: Path, table: Path | None = None) -> Mount | None:
    """Where ``path`` is or would be made, by ``table``, this machine's table of mounts; None where
    that cannot be told."""
    try:
        # An automounter mounts what is looked at.
        path.exists()
        lines = (table or MOUNTS).read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    whole = path.resolve()
    # Of several at one place the last covers the others.
    above = [
        mount for line in lines if (mount := _mount(line)) and whole.is_relative_to(mount.point)
    ]
    return max(reversed(above), key=lambda mount: len(mount.point.parts), default=None)


def check_store(
    runs_dir: Path,
    tracking_uri: str | None,
    table: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """BadInput where MLflow's store would be a file of SQLite on a network file system."""
    file = _file_of_sqlite(runs_dir, tracking_uri)
    if file is None or environment.get(TRUSTED):
        return
    mount = mount_of(file, table)
    if mount and mount.is_shared:
        where = "--tracking-uri" if tracking_uri else f"--runs-dir {runs_dir}"
        raise BadInput(
            f"{where}: {mount.point} is a network file system ({mount.kind}), on which SQLite may "
            "lose a store that several machines open; name a tracking server with "
            "MLFLOW_TRACKING_URI and keep --runs-dir, or, if locks hold between its machines, set "
            f"{TRUSTED}=1: docs/cluster.md#with-slurm says how to have the one or to see the other"
        )


def _file_of_sqlite(runs_dir: Path, tracking_uri: str | None) -> Path | None:
    """The file in which a store of SQLite is or will be; None where the store is a server."""
    if not tracking_uri:
        return runs_dir / "mlflow.db"
    scheme, _, path = tracking_uri.partition(":///")
    return Path(path) if scheme.startswith("sqlite") else None


def _mount(line: str) -> Mount | None:
    """A line of Linux's table: ``36 35 98:0 ROOT POINT OPTIONS [...] - KIND SOURCE OPTIONS``."""
    before, _, behind = line.partition(" - ")
    fields, kind = before.split(" "), behind.partition(" ")[0]
    if len(fields) < 6 or not kind:
        return None
    return Mount(Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4])), kind)
