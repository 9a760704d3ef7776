"""Real repositories for tests: small, quick, with fixed people and dates."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

DAY = "2026-11-20T09:00:00+00:00"


def git(folder: Path, *args: str, who: str = "ann", when: str = DAY, stdin: str = "") -> str:
    """Run git there as somebody, with nothing of this machine's configuration."""
    person = {"NAME": who, "EMAIL": f"{who}@example.com", "DATE": when}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_{k}": v for role in ("AUTHOR", "COMMITTER") for k, v in person.items()},
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *args],
        env=environment,
        input=stdin.encode(),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="surrogateescape").strip()


def empty(folder: Path, *options: str) -> Path:
    """A repository without commits."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main", *options)
    return folder


def write(folder: Path, files: dict[str, str | bytes]) -> None:
    """Put files there."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def commit(folder: Path, message: str, files: dict[str, str | bytes], **person: str) -> str:
    """Write files and commit everything; the commit's short id."""
    write(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", message, "--allow-empty", **person)
    return git(folder, "rev-parse", "--short", "HEAD")


def shop(folder: Path) -> Path:
    """A repository with two people's history and one change that is not committed."""
    return Path(shutil.copytree(_made_shop().name, folder, dirs_exist_ok=True))


@functools.cache
def _made_shop() -> tempfile.TemporaryDirectory[str]:
    """What `shop` copies: git is slower than that."""
    made = tempfile.TemporaryDirectory()
    folder = Path(made.name)
    folder.chmod(0o755)
    empty(folder)
    commit(
        folder,
        "Add the cart",
        {"src/cart.py": "def total():\n    return 0\n", ".gitignore": "*.log\n"},
    )
    commit(folder, "Count lines", {"src/cart.py": "def total():\n    return 1\n"}, who="bob")
    commit(folder, "Say hello", {"README.md": "# Shop\n\nSells things.\n"})
    write(
        folder,
        {"src/cart.py": "def total():\n    return 2\n", "src/new.py": "x = 1\n", "a.log": "x\n"},
    )
    return made


def content(folder: Path) -> dict[str, bytes | str]:
    """Every file's bytes and every link's target, but for git's own."""
    paths = [path for path in folder.rglob("*") if ".git" not in path.relative_to(folder).parts]
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in paths
        if path.is_symlink() or path.is_file()
    }


def untouched(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Everything of a checkout, its git directory too, with its dates."""
    return {
        path: (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }
