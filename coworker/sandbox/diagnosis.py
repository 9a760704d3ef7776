"""Why a command cannot be confined on this machine, in a sentence with the mend.

It knows the words of bubblewrap and the switches of the kernel, and runs nothing.
"""

from __future__ import annotations

from pathlib import Path

MISSING = (
    "bubblewrap is not installed, so no command can be confined and none is run. "
    "Install it (apt install bubblewrap, dnf install bubblewrap)."
)
_SWITCHES = (  # file below /proc/sys, the value that forbids, the mend
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "AppArmor forbids user namespaces to ordinary programs. Allow them to bubblewrap: put "
        "`abi <abi/4.0>, profile bwrap /usr/bin/bwrap flags=(unconfined) { userns, }` into "
        "/etc/apparmor.d/bwrap and run `sudo systemctl reload apparmor`, or allow "
        "them to all programs: "
        "`sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`",
    ),
    (
        "kernel/unprivileged_userns_clone",
        "0",
        "The kernel forbids user namespaces. "
        "Run `sudo sysctl -w kernel.unprivileged_userns_clone=1`",
    ),
    (
        "user/max_user_namespaces",
        "0",
        "The kernel forbids user namespaces. Run `sudo sysctl -w user.max_user_namespaces=15000`",
    ),
)
_OLD = "The installed bubblewrap is too old: install version 0.8 or newer"
_HIDDEN_PROC = (
    "Parts of /proc are hidden from us. In a systemd unit set ProtectKernelTunables, "
    "ProtectKernelLogs and ProtectHostname to no and ProcSubset to all; start a container with "
    "`--security-opt systempaths=unconfined`"
)
_FORBIDDEN = (
    "Namespaces are forbidden here. In a systemd unit set RestrictNamespaces to "
    "`user mnt pid net ipc uts cgroup`; start a container with "
    "`--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
)


def no_filter(machine: str) -> str:
    """For a processor whose system calls we have no list of."""
    return (
        f"The sandbox has no system-call filter for {machine}, so no command is run. "
        "Use an x86_64 or aarch64 machine."
    )


def explain(said: str, sysctl: Path = Path("/proc/sys")) -> str:
    """What bubblewrap's last words mean and what to do."""
    last = said.strip().splitlines()[-1][:300] if said.strip() else "it said nothing"
    mend = _mend(last, sysctl)
    return f"The command was not run, for bubblewrap cannot confine it ({last}). {mend}."


def _mend(said: str, sysctl: Path) -> str:
    if "Unknown option" in said:
        return _OLD
    if "mount proc" in said:
        return _HIDDEN_PROC
    for name, forbidding, mend in _SWITCHES:
        switch = sysctl / name
        if switch.exists() and switch.read_text().strip() == forbidding:
            return mend
    return _FORBIDDEN if "namespace" in said or "uid map" in said else "Run `coworker doctor`"
