"""What people run all day works in the box, as root and as an ordinary user."""

import shutil
from pathlib import Path

import pytest

HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
WORK = {  # command: what it prints
    "python3 -c 'import ssl, sqlite3, json; print(6 * 7)'": "42\n",
    "python3 cart.py": "cart\n",
    "node -e 'console.log(6 * 7)'": "42\n",
    "node -e 'new WebAssembly.Memory({initial: 1, maximum: 9}); console.log(\"ok\")'": "ok\n",
    "gcc -x c -o hello - <<'E'\n" + HELLO_C + "E\n./hello": "hello\n",
    "git log --format=%s": "Add the cart\n",
    "echo 1 >> cart.py && git status --porcelain cart.py": " M cart.py\n",
    "echo '#' >> cart.py && git diff --stat | tail -1": " 1 file changed, 1 insertion(+)\n",
    "for n in $(seq 200); do mkdir -p d$n && echo $n > d$n/f; done; cat d*/f | wc -l": "200\n",
    "mkdir -p ~/.npm/_cacache && echo x > ~/.npm/_cacache/y && cat ~/.npm/_cacache/y": "x\n",
    "mkdir -p $XDG_CACHE_HOME/pip && cd && echo .cache/*": ".cache/pip\n",
    "python3 -m venv .venv --without-pip && .venv/bin/python -c 'print(1)'": "1\n",
    "printf 'größe → ✓ 漢字\\n'": "größe → ✓ 漢字\n",
    "echo one; echo two >&2; echo three": "one\ntwo\nthree\n",
    "cat; echo done": "done\n",
    "id -un; hostname; ": "coworker\ncoworker\n",
    "echo x > /dev/stdout; echo y | tee /dev/null; mktemp > /dev/shm/y": "x\ny\n",
    "chmod 700 cart.py; stat -c %a cart.py": "700\n",
    "if true\nthen echo 'it''s'\nfi # one script": "its\n",
    "-x": "/bin/bash: line 1: -x: command not found\n",
    "python3 -c \"\nimport socket, threading\nserver = socket.create_server(('127.0.0.1', 0))\n"
    "client = socket.create_connection(server.getsockname())\nclient.send(b'hi')\n"
    "print(server.accept()[0].recv(9).decode())\"": "hi\n",
    "python3 -c \"\nfrom multiprocessing import Pool\nif __name__ == '__main__':\n"
    "    print(sum(Pool(3).map(abs, range(-9, 1))))\"": "45\n",
}  # fmt: skip


@pytest.mark.parametrize("command", WORK)
def test_ordinary_work_is_done(sh, command):
    program = command.split()[0]
    if program in ("gcc", "node") and not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    seen = sh(command)
    assert seen.output == WORK[command]


@pytest.mark.parametrize("kind", ["bubblewrap", "none"])
def test_the_exit_code_is_kept(sh, kind):
    codes = [0, 1, 77, 255]
    assert [sh(f"exit {code}", kind=kind).finished.exit_code for code in codes] == codes


def test_the_workspace_and_the_home_last(sh, place):
    sh("echo 1 > result; echo 2 > ~/download")
    assert sh("cat result ~/download").output == "1\n2\n"
    assert (place.box.workspace / "result").read_text() == "1\n"


def test_git_need_not_read_a_file_to_see_that_it_is_unchanged(sh):
    assert sh("git diff-files").output == ""
    assert "cart.py" in sh("git -c core.checkStat=default diff-files").output


def test_a_signal_is_told_like_a_shell_tells_it(sh):
    assert sh("kill -SEGV $$").finished.exit_code == 139
    assert sh("kill -9 $$").finished.exit_code == 137


def test_without_a_git_directory_there_is_just_a_folder(sh):
    seen = sh("git log; ls cart.py", git_dir=None, dotgit=None, objects=None)
    assert "not a git repository" in seen.output
    assert seen.output.endswith("cart.py\n")


def test_the_network_is_there_when_it_is_wanted(sh):
    assert sh("ls /sys /etc/resolv.conf; cat /proc/net/dev | wc -l").output.endswith("\n3\n")
    assert "/etc/resolv.conf\n" in sh("ls /etc/resolv.conf", network=True).output


def test_with_network_programs_trust_whom_the_machine_trusts(sh):
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    if not Path(bundle).exists():
        pytest.skip("this system keeps its certificates elsewhere")
    assert sh("ls $SSL_CERT_FILE $REQUESTS_CA_BUNDLE", network=True).output == f"{bundle}\n" * 2


def test_a_plain_run_has_limits_and_a_clean_environment(sh):
    seen = sh("env; ulimit -c -f -d", kind="none")
    assert "API_KEY" not in seen.output
    assert "(blocks, -f) 24576" in seen.output
