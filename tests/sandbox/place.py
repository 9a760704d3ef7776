"""The machine around a box: secrets, services and processes that a command must not reach."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from coworker.sandbox import Box, Limits
from tests.sandbox.runner import CANARY

SMALL = Limits(processes=64, memory_mb=256, cpu_s=20, file_mb=24, disk_mb=32, time_s=30)


GIT_ENV = {
    "PATH": os.defpath,
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_NAME": "ann" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "ann@example.com" for role in ("AUTHOR", "COMMITTER")},
}


def git(folder: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=folder, env=GIT_ENV, check=True, capture_output=True)


class Place:
    """Everything in it belongs to the user who runs the commands, so that permissions alone
    protect nothing."""

    def __init__(self, uid: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="place-"))
        self.root.chmod(0o755)
        self._stack = contextlib.ExitStack()
        for command in (["rm", "-rf"], ["chmod", "-R", "u+rwx"]):  # last in, first out
            self._stack.callback(subprocess.run, [*command, self.root], capture_output=True)
        self.outside = self.root / "outside"
        self._hide_secrets()
        self._open_doors()
        self.box = self._furnish()
        for path in [self.root, *self.root.rglob("*")]:
            os.chown(path, uid, uid, follow_symlinks=False)
        self.decoy = subprocess.Popen(["sleep", "600"], user=uid)
        self._before = self._things()

    def names(self) -> dict[str, object]:
        """What attackers may know about where things are."""
        return {
            "outside": self.outside,
            "port": self.port,
            "abstract": self.abstract,
            "decoy": self.decoy.pid,
            "git": self.box.git_dir,
            "objects": self.box.objects,
            "above": self.root,
        }

    def traces(self, output: str) -> list[str]:
        """Every sign that a command got out of its box."""
        signs = {
            "it says so": "BREACHED" in output,
            "it read a secret": CANARY in output,
            "it reached a service": any(map(_was_reached, self._services)),
            "it killed a process": self.decoy.poll() is not None,
            "it changed what lies outside": self._things() != self._before,
        }
        return [sign for sign, seen in signs.items() if seen]

    def close(self) -> None:
        """Take it all down."""
        self.decoy.kill()
        self.decoy.wait()
        self._stack.close()

    def _hide_secrets(self) -> None:
        for name in ("home/.ssh/id_ed25519", "state/coworker.db"):
            (self.outside / name).parent.mkdir(parents=True)
            (self.outside / name).write_text(CANARY)

    def _open_doors(self) -> None:
        tcp = self._service(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        udp = self._service(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", self.port))
        self.abstract = f"coworker-{os.getpid()}-{self.port}"
        abstract = self._service(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.abstract}")
        path = str(self.outside / "docker.sock")
        self._services = [
            tcp,
            udp,
            abstract,
            self._service(socket.AF_UNIX, socket.SOCK_STREAM, path),
        ]

    def _service(self, family: int, kind: int, address: object) -> socket.socket:
        service = self._stack.enter_context(socket.socket(family, kind))
        service.bind(address)
        service.setblocking(False)
        if kind == socket.SOCK_STREAM:
            service.listen()
        return service

    def _furnish(self) -> Box:
        """A workspace that is a shared clone with its git directory elsewhere."""
        at = {name: self.root / name for name in ("origin", "mirror.git", "ws", "ws.git", "home")}
        for name in ("origin", "home"):
            at[name].mkdir()
        git(at["origin"], "init", "-q", "-b", "main")
        (at["origin"] / "cart.py").write_text("print('cart')\n")
        git(at["origin"], "add", ".")
        git(at["origin"], "commit", "-qm", "Add the cart")
        git(self.root, "clone", "-q", "--bare", str(at["origin"]), str(at["mirror.git"]))
        where = f"--separate-git-dir={at['ws.git']}"
        git(self.root, "clone", "-q", "--shared", where, str(at["mirror.git"]), str(at["ws"]))
        shutil.copy(at["ws"] / ".git", self.root / "dotgit")
        for name in ("attacker.py", "attacker.sh"):
            shutil.copy(Path(__file__).parent / name, at["ws"])
        return Box(
            workspace=at["ws"],
            home=at["home"],
            git_dir=at["ws.git"],
            dotgit=self.root / "dotgit",
            objects=at["mirror.git"] / "objects",
            limits=SMALL,
        )

    def _things(self) -> dict[str, bytes]:
        """Every file but those that a command may write."""
        found = [self.box.workspace / ".git"]
        for folder, folders, files in os.walk(self.root):
            mine = (self.box.workspace.name, self.box.home.name)
            folders[:] = [name for name in folders if name not in mine]
            found += [Path(folder, name) for name in files]
        return {str(path): path.read_bytes() for path in found if path.is_file()}


def _was_reached(service: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        if service.type == socket.SOCK_DGRAM:
            service.recv(1)
        else:
            service.accept()[0].close()
        return True
    return False
