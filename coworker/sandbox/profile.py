"""What a confined command sees: bubblewrap's arguments, the environment and the few files we make.

It knows how a box is furnished and not how a command is started, watched or ended.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from coworker.config import program_environment
from coworker.sandbox import seccomp
from coworker.sandbox.box import Box
from coworker.sandbox.process import SYSTEM_PATH

SHM_MB = 256
_NAME = "coworker"
_UID = "1000"
_SYSTEM_FOLDERS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = (  # no whole /etc/ssl or /etc/pki: as root the command could read their private keys
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/os-release",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/cert.pem",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
)
_CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_CA_VARIABLES = ("NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_FILES = {
    "/etc/passwd": f"{_NAME}:x:{_UID}:{_UID}::{{home}}:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    "/etc/group": f"{_NAME}:x:{_UID}:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "/etc/hosts": f"127.0.0.1 localhost {_NAME}\n::1 localhost\n",
}
_DOWNLOADS = {  # what only has to be loaded again when it is not there
    "PIP_CACHE_DIR": "pip",
    "UV_CACHE_DIR": "uv",
    "YARN_CACHE_FOLDER": "yarn",
    "npm_config_cache": "npm",
}
_MASKED = ("kcore", "keys", "key-users", "kpagecgroup", "kpagecount", "kpageflags", "timer_list")
_NAMESPACES = (
    *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session"),
    *("--cap-drop", "ALL", "--uid", _UID, "--gid", _UID, "--hostname", _NAME),
)
_PREFIX_QUERIES = {
    "python3": ("-I", "-c", "import sys; print(sys.base_prefix)"),
    "node": ("-p", "path.dirname(path.dirname(process.execPath))"),
}
_LONE_PROGRAMS = ("uv",)


def shell() -> str:
    """The shell that commands are written for."""
    return "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"


def environment(box: Box) -> dict[str, str]:
    """The whole environment of a command. Its launcher must have no other: bubblewrap's first
    process stays readable inside as /proc/1/environ."""
    home = str(box.home)
    return {
        "PATH": _path(box),
        "HOME": home,
        "USER": _NAME,
        "XDG_CACHE_HOME": f"{home}/.cache",
        "XDG_CONFIG_HOME": f"{home}/.config",
        "XDG_DATA_HOME": f"{home}/.local/share",
        "TMPDIR": "/tmp",  # noqa: S108 - the box's own
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "PYTHONDONTWRITEBYTECODE": "1",  # bytecode of a second ago can outlive a quick edit
        # Inside, files have another uid; without this git would read each of them to compare.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.checkStat",
        "GIT_CONFIG_VALUE_0": "minimal",
        **_certificates(box),
        **_downloading(box),
    }


@contextlib.contextmanager
def bubblewrap(box: Box, program: str) -> Iterator[tuple[list[str], list[int]]]:
    """bubblewrap's command line up to the confined command, and the files it has to inherit."""
    fds: list[int] = []
    try:
        fds.append(_readable(seccomp.program(unix_sockets=not box.network)))
        arguments = [*_NAMESPACES, *_sharing(box), *_system(), *_scratch(box)]
        arguments += ["--seccomp", str(fds[0])]
        for path, text in _FILES.items():
            fds.append(_readable(text.format(home=box.home).encode()))
            arguments += ["--perms", "0444", "--file", str(fds[-1]), path]
        arguments += [*_binds(box), "--remount-ro", "/", "--chdir", str(box.workspace), "--"]
        yield [program, *arguments], fds
    finally:
        for fd in fds:
            os.close(fd)


@functools.cache
def own_devices() -> tuple[tuple[str, ...], str]:
    """For root, whose devices the machine's are, what keeps a command from changing their modes: a
    launcher with its own mounts, and a step for its shell that makes /dev read-only there.

    bubblewrap takes over that a device is mounted read-only, but cannot make it so itself.
    """
    unshare, mount = (shutil.which(name, path=SYSTEM_PATH) for name in ("unshare", "mount"))
    if os.geteuid() != 0 or not unshare or not mount:
        return (), ":"
    launcher, step = (unshare, "--mount"), f"{mount} -n -o remount,bind,ro /dev"
    try:
        argv = [*launcher, "/bin/sh", "-c", step]
        tried = subprocess.run(argv, capture_output=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return (), ":"
    return (launcher, step) if tried.returncode == 0 else ((), ":")


@functools.cache
def toolchains(path: str) -> tuple[Path, ...]:
    """The folders outside /usr that Python and Node on that PATH are installed in. Starts both."""
    found = (_prefix(name, query, path) for name, query in _PREFIX_QUERIES.items())
    return tuple(dict.fromkeys(prefix for prefix in found if prefix and _may_be_shown(prefix)))


def _path(box: Box) -> str:
    host = program_environment()["PATH"]
    if box.kind == "none":
        return host
    folders = [f"{prefix}/bin" for prefix in _shown_toolchains(box)]
    lone = [str(program.parent) for program in _lone_programs(host)]
    return ":".join([*folders, SYSTEM_PATH, f"{box.home}/.local/bin", *lone])


def _certificates(box: Box) -> dict[str, str]:
    """With network, have pip, uv and Node trust whom this machine trusts, not their own lists."""
    found = [name for name in _CA_BUNDLES if box.network and Path(name).exists()]
    return {name: found[0] for name in _CA_VARIABLES if found}


def _downloading(box: Box) -> dict[str, str]:
    """Where package managers keep what they load. uv would link a workspace's files to it."""
    if not box.downloads:
        return {}
    kept = {name: str(box.downloads / folder) for name, folder in _DOWNLOADS.items()}
    return {**kept, "UV_LINK_MODE": "copy"}


def _sharing(box: Box) -> list[str]:
    if not box.network:
        return []
    return ["--share-net", "--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]


@functools.cache
def _system() -> list[str]:
    arguments = ["--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev"]
    for folder in map(Path, _SYSTEM_FOLDERS):
        if folder.is_symlink():
            arguments += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            arguments += ["--ro-bind", str(folder), str(folder)]
    for name in (*_ETC, *map(str, Path("/etc").glob("java-*"))):
        arguments += ["--ro-bind-try", name, name]
    for name in _MASKED:
        if Path("/proc", name).exists():
            arguments += ["--ro-bind", "/dev/null", f"/proc/{name}"]
    # To root, the settings below /proc/sys would be the machine's and writable.
    return [*arguments, "--remount-ro", "/proc", "--remount-ro", "/dev"]


def _scratch(box: Box) -> list[str]:
    """Memory-backed folders of bounded size; everything else that is writable is a bind."""
    half = box.limits.memory_mb // 2
    shm, tmp = (str(size << 20) for size in (min(SHM_MB, half), min(box.limits.disk_mb, half)))
    return [
        *("--size", shm, "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--size", tmp, "--tmpfs", "/tmp", "--dir", "/run", "--symlink", "../tmp", "/var/tmp"),  # noqa: S108
    ]


def _binds(box: Box) -> list[str]:
    host = program_environment()["PATH"]
    arguments: list[str] = []
    for path in (*_shown_toolchains(box), *_lone_programs(host)):
        arguments += ["--ro-bind-try", str(path), str(path)]
    for path in box.writable:
        arguments += ["--bind", str(path), str(path)]
    for path in filter(None, (box.git_dir, box.objects)):
        arguments += ["--ro-bind", str(path), str(path)]
    if box.dotgit:  # a mount point can be neither renamed nor removed
        arguments += ["--ro-bind", str(box.dotgit), str(box.workspace / ".git")]
    return arguments


def _shown_toolchains(box: Box) -> list[Path]:
    ours = [*box.writable, *([box.git_dir] if box.git_dir else [])]
    found = toolchains(program_environment()["PATH"])
    return [prefix for prefix in found if not any(path.is_relative_to(prefix) for path in ours)]


@functools.cache
def _lone_programs(path: str) -> tuple[Path, ...]:
    """Programs outside /usr that are a single file; the folders around them stay hidden."""
    found = (shutil.which(name, path=path) for name in _LONE_PROGRAMS)
    return tuple(Path(name) for name in found if name and not _is_system(Path(name)))


def _prefix(name: str, query: tuple[str, ...], path: str) -> Path | None:
    program = shutil.which(name, path=path)
    if not program:
        return None
    env = {"PATH": path, "HOME": str(Path.home())}
    try:
        said = subprocess.run(
            [program, *query], env=env, cwd="/", capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Path(said.stdout.strip()) if said.returncode == 0 and said.stdout.strip() else None


def _may_be_shown(prefix: Path) -> bool:
    """Not the system's own, and never a folder in which people keep other things."""
    home = Path.home()
    private = (home, home / ".local", home / ".config", home / ".cache")
    is_broad = len(prefix.parts) <= 2 or any(path.is_relative_to(prefix) for path in private)
    return prefix.is_dir() and not is_broad and not _is_system(prefix)


def _is_system(path: Path) -> bool:
    return path.resolve().is_relative_to("/usr")


def _readable(data: bytes) -> int:
    """A pipe's end from which a child reads these bytes, fewer than a page or so."""
    read_end, write_end = os.pipe()
    os.write(write_end, data)
    os.close(write_end)
    return read_end
