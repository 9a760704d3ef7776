"""The system-call filter of the sandbox, as the bytes that bubblewrap loads.

It knows the numbers and arguments of system calls and nothing of commands, files or limits.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable
from typing import NamedTuple

_REFUSED = {  # name: (x86_64, aarch64); None where the architecture has no such call
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_tree_attr": (467, 467),
    "unshare": (272, 97),
    "setns": (308, 268),
    "bpf": (321, 280),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "acct": (163, 89),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "memfd_secret": (447, 447),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
}
_INSPECTED = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "ioctl": (16, 29),
    "socket": (41, 198),
    "open": (2, None),
    "openat": (257, 56),
    "openat2": (437, 437),
    "creat": (85, None),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NUMBER_AT, _ARCH_AT, _ARGUMENTS_AT = 0, 4, 16

_NEW_NAMESPACE = 0x7E020000  # CLONE_NEWNS | CGROUP | UTS | IPC | USER | PID | NET
_SET_ID = 0o6000
_CREATES = 0o100 | 0o20000000  # O_CREAT | __O_TMPFILE: without them `mode` is garbage
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK = 1, 2, 10, 16
_NETLINK_ROUTE = 0


class _Step(NamedTuple):
    """One instruction; the two jumps count the instructions to skip."""

    code: int
    value: int
    if_true: int = 0
    if_false: int = 0


def is_known(machine: str = "") -> bool:
    """Whether there is a filter for this kind of processor."""
    return (machine or platform.machine()) in _AUDIT_ARCH


def program(*, unix_sockets: bool, machine: str = "") -> bytes:
    """The filter for a processor (default: this one) as an array of `struct sock_filter`.

    Abstract unix sockets belong to the network namespace, so without `unix_sockets` a command that
    shares the host's network cannot reach those of the host; socket pairs still work.
    Raises KeyError for a processor that is not known.
    """
    machine = machine or platform.machine()
    column = list(_AUDIT_ARCH).index(machine)
    steps = [*_only_native(_AUDIT_ARCH[machine])]
    for numbers in _REFUSED.values():
        steps += _refuse(numbers[column])
    for name, numbers in _INSPECTED.items():
        steps += _inspect(numbers[column], _checks(name, unix_sockets=unix_sockets))
    steps.append(_Step(_RETURN, _ALLOW))
    return b"".join(struct.pack("=HBBI", s.code, s.if_true, s.if_false, s.value) for s in steps)


def _only_native(audit_arch: int) -> Iterable[_Step]:
    """Other calling conventions have other numbers, so whoever uses one would pass the list."""
    return (
        _Step(_LOAD, _ARCH_AT),
        _Step(_IF_EQUAL, audit_arch, if_true=1),
        _Step(_RETURN, _KILL_PROCESS),
        _Step(_LOAD, _NUMBER_AT),
        _Step(_IF_AT_LEAST, _X32_BIT, if_false=1),
        _Step(_RETURN, _KILL_PROCESS),
    )


def _refuse(number: int | None) -> list[_Step]:
    return _inspect(number, [_fail(errno.EPERM)])


def _inspect(number: int | None, checks: list[_Step]) -> list[_Step]:
    """Run the checks for that call alone; a check that decides nothing falls through."""
    if number is None:
        return []
    body = [*checks, _Step(_LOAD, _NUMBER_AT)]
    return [_Step(_IF_EQUAL, number, if_false=len(body)), *body]


def _checks(name: str, *, unix_sockets: bool) -> list[_Step]:
    match name:
        case "clone":
            return _refuse_bits(0, _NEW_NAMESPACE)
        case "ioctl":
            return [*_refuse_value(1, _TIOCSTI), *_refuse_value(1, _TIOCLINUX)]
        case "socket":
            return _only_plain_sockets(unix_sockets=unix_sockets)
        case (
            "clone3" | "openat2"
        ):  # their arguments lie in memory; callers fall back to the old call
            return [_fail(errno.ENOSYS)]
        case "open":
            return _refuse_set_id_creation(flags=1)
        case "openat":
            return _refuse_set_id_creation(flags=2)
        case "chmod" | "fchmod" | "creat" | "mknod":
            return _refuse_bits(1, _SET_ID)
        case _:  # the …at calls, whose first argument is a directory
            return _refuse_bits(2, _SET_ID)


def _refuse_bits(argument: int, bits: int) -> list[_Step]:
    return [_load(argument), _Step(_IF_ANY_BIT, bits, if_false=1), _fail(errno.EPERM)]


def _refuse_value(argument: int, value: int) -> list[_Step]:
    return [_load(argument), _Step(_IF_EQUAL, value, if_false=1), _fail(errno.EPERM)]


def _refuse_set_id_creation(flags: int) -> list[_Step]:
    check = _refuse_bits(flags + 1, _SET_ID)
    return [_load(flags), _Step(_IF_ANY_BIT, _CREATES, if_false=len(check)), *check]


def _only_plain_sockets(*, unix_sockets: bool) -> list[_Step]:
    """IP, unix, and the routing netlink that getaddrinfo asks; no vsock, packet, crypto."""
    families = [_AF_INET, _AF_INET6, *([_AF_UNIX] if unix_sockets else [])]
    netlink = [
        _Step(_IF_EQUAL, _AF_NETLINK, if_false=2),
        _load(2),
        _Step(_IF_EQUAL, _NETLINK_ROUTE, if_true=1),
        _fail(errno.EAFNOSUPPORT),
    ]
    allowed = [
        _Step(_IF_EQUAL, family, if_true=len(families) - n - 1 + len(netlink))
        for n, family in enumerate(families)
    ]
    return [_load(0), *allowed, *netlink]


def _load(argument: int) -> _Step:
    """The low half, for the kernel takes these arguments as 32 bits and drops the rest."""
    return _Step(_LOAD, _ARGUMENTS_AT + 8 * argument)


def _fail(number: int) -> _Step:
    return _Step(_RETURN, _ERRNO | number)
