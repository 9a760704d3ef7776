"""The parts of the sandbox by themselves: the filter, what is kept of output, what is measured."""

import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coworker.sandbox import Box, Limits, seccomp
from coworker.sandbox.output import KEPT, Output
from coworker.sandbox.watch import Watch

ALLOW, EPERM, ENOSYS, NO_FAMILY, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x50061, 0x80000000
X86_64, AARCH64 = 0xC000003E, 0xC00000B7
HIGH = 1 << 32  # the kernel drops the upper half of an int argument, so it must not hide anything
CALLS = [  # machine, call, arguments, answer
    ("x86_64", 0, (), ALLOW),
    ("x86_64", 101, (), EPERM),
    ("x86_64", 59, (), ALLOW),
    ("x86_64", 56, (0x1200011,), ALLOW),
    ("x86_64", 56, (0x10000011,), EPERM),
    ("x86_64", 435, (), ENOSYS),
    ("x86_64", 16, (0, 0x5413), ALLOW),
    ("x86_64", 16, (0, 0x5412), EPERM),
    ("x86_64", 16, (0, 0x5412 | HIGH), EPERM),
    ("x86_64", 41, (1, 1, 0), ALLOW),
    ("x86_64", 41, (2, 1, 0), ALLOW),
    ("x86_64", 41, (10, 2, 17), ALLOW),
    ("x86_64", 41, (16, 3, 0), ALLOW),
    ("x86_64", 41, (16, 3, 9), NO_FAMILY),
    ("x86_64", 41, (40, 1, 0), NO_FAMILY),
    ("x86_64", 90, (0, 0o755), ALLOW),
    ("x86_64", 90, (0, 0o4755), EPERM),
    ("x86_64", 452, (0, 0, 0o2755), EPERM),
    ("x86_64", 257, (0, 0, 0o101, 0o644), ALLOW),
    ("x86_64", 257, (0, 0, 0o101, 0o4755), EPERM),
    ("x86_64", 257, (0, 0, 0, 0o4755), ALLOW),
    ("x86_64", 2, (0, 0o20200000, 0o4755), EPERM),
    ("x86_64", 437, (), ENOSYS),
    ("x86_64", 0x40000000 | 39, (), KILL),
    ("aarch64", 117, (), EPERM),
    ("aarch64", 101, (), ALLOW),
    ("aarch64", 220, (0x10000011,), EPERM),
    ("aarch64", 29, (0, 0x5412), EPERM),
    ("aarch64", 198, (40, 1, 0), NO_FAMILY),
    ("aarch64", 56, (0, 0, 0o101, 0o4755), EPERM),
    ("aarch64", 53, (0, 0, 0o4755), EPERM),
    ("aarch64", 93, (), ALLOW),
]


def answer(program: bytes, arch: int, number: int, arguments: tuple[int, ...]) -> int:
    """What the kernel does with a call: classic BPF over `struct seccomp_data`."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("=IIQ6Q", number, arch, 0, *padded)
    at, value = 0, 0
    while True:
        code, if_true, if_false, k = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        if code == 0x06:
            return k
        if code == 0x20:
            (value,) = struct.unpack_from("=I", data, k)
            continue
        holds = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize(("machine", "number", "arguments", "expected"), CALLS)
def test_the_filter_answers(machine, number, arguments, expected):
    arch = {"x86_64": X86_64, "aarch64": AARCH64}[machine]
    program = seccomp.program(unix_sockets=True, machine=machine)
    assert answer(program, arch, number, arguments) == expected


def test_other_machines_calls_are_fatal():
    program = seccomp.program(unix_sockets=True, machine="x86_64")
    assert answer(program, 0x40000003, 1, ()) == KILL
    assert answer(program, AARCH64, 1, ()) == KILL


def test_unix_sockets_can_be_refused_alone():
    program = seccomp.program(unix_sockets=False, machine="x86_64")
    assert answer(program, X86_64, 41, (1, 1, 0)) == NO_FAMILY
    assert answer(program, X86_64, 41, (2, 1, 0)) == ALLOW
    assert answer(program, X86_64, 53, (1, 1, 0)) == ALLOW


@given(st.lists(st.tuples(st.binary(max_size=7), st.integers(0, KEPT)), max_size=6))
def test_output_keeps_head_and_tail(pieces):
    chunks = [piece * times for piece, times in pieces]
    output, everything = Output(), b"".join(chunks)
    for chunk in chunks:
        output.take(chunk)
    text = everything.decode(errors="replace")
    assert output.omitted == max(0, len(everything) - 2 * KEPT)
    if not output.omitted:
        assert output.text() == text
    else:
        assert output.text()[: KEPT // 4] == text[: KEPT // 4]
        assert output.text()[-KEPT // 4 :] == text[-KEPT // 4 :]
        assert f"{output.omitted:,} bytes left out" in output.text()


@pytest.mark.parametrize("shift", range(4))
def test_a_cut_never_halves_a_character(shift):
    output = Output()
    output.take(b"x" * shift + "漢".encode() * KEPT)
    assert "\ufffd" not in output.text()


@pytest.fixture
def tree(tmp_path):
    """A shell with eight sleeping children, one of which holds 40 MB."""
    hold = "import time; x = bytearray(b'x' * (40 << 20)); print(flush=True); time.sleep(60)"
    sleeps = "for i in 1 2 3 4 5 6 7; do sleep 60 & done"
    script = f'{sleeps}; {sys.executable} -c "{hold}" & wait'
    argv = ["sh", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as shell:
        shell.stdout.readline()
        yield shell
        subprocess.run(["kill", "-9", "--", f"-{shell.pid}"], check=True)


@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        (Limits(), None),
        (Limits(processes=2), "processes"),
        (Limits(memory_mb=32), "memory"),
    ],
)
def test_a_tree_is_measured(tree, tmp_path, limits, verdict):
    watch = Watch(Box(workspace=tmp_path, home=tmp_path, limits=limits))
    assert watch.verdict(tree.pid) == verdict


def test_growth_is_what_was_added_since(tree, tmp_path):
    (tmp_path / "old").write_bytes(bytes(40 << 20))
    watch = Watch(Box(workspace=tmp_path, home=tmp_path, limits=Limits(disk_mb=16)))
    (tmp_path / "new").write_bytes(bytes(12 << 20))
    assert watch.verdict(tree.pid) is None
    (tmp_path / "more").write_bytes(bytes(12 << 20))
    assert watch.verdict(tree.pid) == "disk"


def test_a_file_with_many_names_counts_once(tree, tmp_path):
    watch = Watch(Box(workspace=tmp_path, home=tmp_path, limits=Limits(disk_mb=16)))
    (tmp_path / "file").write_bytes(bytes(6 << 20))
    assert watch.verdict(tree.pid) is None
    for name in "abcdef":
        (tmp_path / name).hardlink_to(tmp_path / "file")
    (tmp_path / "other").write_bytes(bytes(6 << 20))
    assert watch.verdict(tree.pid) is None
