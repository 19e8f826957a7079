"""Whether SQLite may keep a store in a directory, by tables of mounts that are made up."""

from pathlib import Path

import pytest

from sweep.errors import BadInput
from sweep.slurm.network_disk import MOUNTS, TRUSTED, check_store, mount_of

TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw shared:2 - nfs4 server:/home rw,vers=4.2,local_lock=none
31 22 0:41 / /scratch rw shared:3 - lustre mds:/scratch rw,flock
32 22 0:42 / /mnt/my\040disk rw - fuse.sshfs me@there: rw
33 22 0:43 / /auto rw - autofs systemd-1 rw
34 33 0:44 / /auto rw - nfs server:/auto rw
35 30 8:2 / /home/local rw - xfs /dev/sdb1 rw
36 22 0:45 / /layers rw - fuse.fuse-overlayfs fuse-overlayfs rw
37 22 8:3 / /ntfs rw - fuseblk /dev/sdc1 rw
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("runs", "kind"),
    [
        ("/home/me/runs", "nfs4"),
        ("/scratch/runs", "lustre"),
        ("/mnt/my disk/runs", "fuse.sshfs"),
        ("/auto/runs", "nfs"),
    ],
)
def test_a_store_of_sqlite_on_a_network_file_system_is_refused(
    table: Path, runs: str, kind: str
) -> None:
    with pytest.raises(BadInput, match=rf"--runs-dir {runs}: .*\({kind}\)") as refused:
        check_store(Path(runs), None, table, {})
    assert "MLFLOW_TRACKING_URI" in str(refused.value)
    with pytest.raises(BadInput, match="--tracking-uri: "):
        check_store(Path("/var/runs"), f"sqlite:///{runs}/mlflow.db", table, {})
    check_store(Path(runs), "https://mlflow.example.org", table, {})
    check_store(Path(runs), None, table, {TRUSTED: "1"})


@pytest.mark.parametrize(
    "runs", ["/var/runs", "/home/local/runs", "/homes", "/layers/r", "/ntfs/r"]
)
def test_a_disk_of_one_machine_is_taken(table: Path, runs: str) -> None:
    check_store(Path(runs), None, table, {})


def test_a_relative_directory_and_a_link_are_followed(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to("/scratch/mine")
    with pytest.raises(BadInput, match="lustre"):
        check_store(Path("runs"), None, table, {})


def test_without_a_table_nothing_is_refused(tmp_path: Path) -> None:
    check_store(Path("/home/me/runs"), None, tmp_path / "none", {})


@pytest.mark.skipif(not MOUNTS.exists(), reason="reads /proc")
def test_the_table_of_this_machine_is_read() -> None:
    mount = mount_of(Path("/proc/self"))
    assert mount is not None
    assert (mount.kind, mount.is_shared) == ("proc", False)
