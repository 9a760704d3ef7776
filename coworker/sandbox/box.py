"""What a command is confined to and what came of it: plain, frozen values.

They know nothing of how the confinement is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["bubblewrap", "none"]
KilledBy = Literal[
    "time", "memory", "processes", "cpu", "disk", "file size", "system call", "signal"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What one command and everything it starts may use. `disk_mb` is the growth of what it may
    write, `file_mb` the size of one file, `cpu_s` the sum over all processes."""

    processes: int = 512
    memory_mb: int = 1900
    cpu_s: int = 7200
    file_mb: int = 2048
    disk_mb: int = 8192
    time_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Box:
    """What a command can see of this machine: a writable workspace and home, the system's programs,
    and, read-only at their own paths, the workspace's git directory, the `.git` file that names it
    and the object store it borrows from. Package managers keep what they load in `downloads`,
    which is writable too. All paths are absolute. The kind `none` hides nothing: it only limits
    the command and cleans its environment.
    """

    workspace: Path
    home: Path
    git_dir: Path | None = None
    dotgit: Path | None = None
    objects: Path | None = None
    downloads: Path | None = None
    network: bool = False
    kind: Kind = "bubblewrap"
    limits: Limits = field(default_factory=Limits)

    @property
    def writable(self) -> list[Path]:
        """The folders that a command may change."""
        return [path for path in (self.workspace, self.home, self.downloads) if path]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended. `output` is stdout and stderr as they came, its middle left out when
    it is long: `omitted` counts the missing bytes. A command that was ended from outside or by a
    limit says by what in `killed_by`; its exit code is 128 + the signal.
    """

    exit_code: int
    output: str
    omitted: int
    seconds: float
    timed_out: bool = False
    killed_by: KilledBy | None = None
