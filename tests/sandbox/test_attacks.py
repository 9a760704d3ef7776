"""Commands that try to get out of the box. None does, as root and as an ordinary user."""

import pytest

from tests.sandbox.runner import CANARY

ATTACKS = {  # in the words of attacker.sh
    "environments": "cat /proc/*/environ /proc/*/task/*/environ; env",
    "home": "cat {outside}/home/.ssh/id_ed25519 ~/.ssh/* /root/.ssh/*",
    "state": "cat {outside}/state/coworker.db; won ls {outside}/state",
    "passwords": "won cat /etc/shadow",
    "server keys": "won ls /etc/ssl/private; won ls /etc/pki/tls/private",
    "tcp": "echo hit > /dev/tcp/127.0.0.1/{port}",
    "udp": "py datagram {port}; echo hit > /dev/udp/127.0.0.1/{port}",
    "names": "won getent hosts example.com",
    "abstract socket": "py reach @{abstract}",
    "container daemon": "py reach {outside}/docker.sock; won ls /run/docker.sock",
    "mount": "won mount -t tmpfs none $PWD; won mount --bind /tmp $PWD",
    "remount": "won mount -o remount,rw,bind /usr; won umount -l .git",
    "mount calls": "for c in mount umount2 fsopen mount_setattr; do py call $c 0 0 0 0 0; done",
    "system files": "opens /x /etc/x /usr/bin/x /dev/x /run/x",
    "trace": "py call ptrace 16 1 0 0; py call process_vm_readv 1 0 0 0 0 0",
    "memory of another": "won head -c 1 /proc/1/mem; opens /proc/1/mem; opens /proc/1/fd/4",
    "user namespace": "won unshare --user true; won unshare -rmn true",
    "clone": "py call clone 268435473 0 0 0 0",
    "enter a namespace": "won nsenter -t 1 -a true; py call setns 0 0",
    "chroot": "won chroot / /bin/true",
    "set-user-id": "cp /bin/sh s; won chmod 4755 s; won chmod g+s s; won chmod u+s s",
    "set-user-id at birth": "py born_with_set_id",
    "become root": "py become 0; won su -c true",
    "bpf": "py call bpf 0 0 0",
    "io_uring": "py call io_uring_setup 4 0",
    "userfaultfd": "py call userfaultfd 1",
    "perf": "py call perf_event_open 0 0 0 0 0",
    "keys": "py call keyctl 0 -3 1; py call add_key 0 0 0 0 -3; won grep . /proc/keys",
    "modules": "py call init_module 0 0 0; py call kexec_load 0 0 0 0",
    "file handles": "py call open_by_handle_at 0 0 0",
    "odd sockets": "py sockets",
    "terminal": "py type_into_terminal; opens /dev/tty",
    "32-bit calls": "py other_calling_convention",
    "kernel settings": "opens /proc/sys/kernel/core_pattern /proc/sys/vm/overcommit_memory",
    "kernel triggers": "opens /proc/sysrq-trigger /proc/mtrr /proc/irq/default_smp_affinity",
    "devices": "won head -c1 /dev/mem; won mknod d b 8 0; won ls /dev/[sv]d*",
    "modes of devices": "won chmod 666 /dev/null",
    "control groups": "won ls /sys/fs/cgroup",
    "kill": "won kill -9 {decoy}; won kill -9 -{decoy}",
    "git file": "mv .git g2; rm -rf .git; cp /dev/null .git; ln -sf /tmp .git",
    "hooks": "echo x > {git}/hooks/pre-commit; git config core.fsmonitor x; mv {git} {git}2",
    "commit": "git add -A; git commit -qm x; git update-ref refs/heads/main HEAD",
    "shared objects": "touch {objects}/x; rm -rf {objects}/*",
    "links": "ln -s {outside}/home h; cat h/.ssh/*; echo x > h/new; ln {outside}/home/.ssh/* k",
    "up and out": "cat ../*/home/.ssh/* ../../*/outside/*/*; ls {above} | won grep outside",
}
WITH_NETWORK = ("abstract socket", "container daemon", "environments", "kill", "user namespace")
REAL = (
    *("environments", "home", "state", "tcp", "udp", "abstract socket", "container daemon"),
    *("kill", "git file", "hooks", "commit", "shared objects", "links", "up and out"),
)


@pytest.fixture
def attack(sh, place):
    """`attack(name, **changes to the box)` makes it and returns what could be seen."""

    def attack(name, **changes):
        return sh(f". ./attacker.sh; {ATTACKS[name].format(**place.names())}", **changes)

    return attack


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_leaves_no_trace(attack, place, name):
    seen = attack(name)
    assert place.traces(seen.output) == [], seen.output
    assert seen.lag_s < 2


def test_programs_in_the_home_never_run_outside(sh, place):
    planted = place.box.home / ".local" / "bin"
    planted.mkdir(parents=True)
    for name in ("bash", "bwrap", "mount", "python3", "setpriv", "sh", "true", "unshare"):
        (planted / name).write_text(f"#!/bin/sh\necho > {place.outside}/ran\n")
        (planted / name).chmod(0o755)
    assert sh("echo hi").output == "hi\n"
    assert place.traces("") == []


@pytest.mark.parametrize("success", ["won true", "opens mine", "py become 1000", "cat .git ~/c"])
def test_a_success_would_be_seen(sh, place, success):
    (place.box.home / "c").write_text(CANARY)
    assert place.traces(sh(f". ./attacker.sh; {success}").output)


@pytest.mark.parametrize("name", WITH_NETWORK)
def test_sharing_the_network_shares_nothing_else(attack, place, name):
    seen = attack(name, network=True)
    assert place.traces(seen.output) == [], seen.output


@pytest.mark.parametrize("name", REAL)
def test_without_a_box_the_same_attack_succeeds(attack, place, name):
    assert place.traces(attack(name, kind="none").output)


def test_with_network_a_command_reaches_servers(attack, place):
    attack("tcp", network=True)
    assert place.traces("") == ["it reached a service"]
