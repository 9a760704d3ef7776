"""Repositories with a planted bug and tests that need something installed, and how to mend them."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import git
from tests.fakes.anthropic import Step, call


@dataclass(frozen=True, kw_only=True)
class Bug:
    """A repository's files, what is wrong in one of them, and the owner's set-up and check."""

    files: Mapping[str, bytes]
    file: str
    wrong: str
    right: str
    setup: str
    check: str
    needs: tuple[str, ...] = ()

    @property
    def fix(self) -> Step:
        """The model's call that mends it."""
        return call("edit_file", path=self.file, old=self.wrong, new=self.right)

    def plant(self, folder: Path) -> Path:
        """The repository in that folder, with one commit."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", "Add the cart")
        return folder


def _wheel() -> bytes:
    """A package as pip installs it."""
    about = "tinydep-1.0.dist-info"
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(packed := io.BytesIO(), "w") as archive:
        archive.writestr("tinydep.py", "def cents(amount):\n    return round(amount)\n")
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tinydep\nVersion: 1.0\n"
        )
        archive.writestr(f"{about}/WHEEL", wheel)
        archive.writestr(f"{about}/RECORD", "")
    return packed.getvalue()


def _json(**what: object) -> bytes:
    return json.dumps(what, indent=2).encode()


_CART_PY = b'''\
"""The cart."""


def total(lines):
    """Cents of all lines."""
    return sum(round(price * count) for price, count in lines)
'''
_TEST_PY = b"""\
import unittest
from tinydep import cents
from shop.cart import total


class Total(unittest.TestCase):
    def test_rounds_the_sum(self):
        self.assertEqual(total([(0.4, 1), (0.4, 1), (0.4, 1)]), cents(1.2))


if __name__ == "__main__":
    unittest.main()
"""
PYTHON = Bug(
    files={
        "README.md": b"# Shop\n\nSells things.\n",
        "shop/cart.py": _CART_PY,
        "test_cart.py": _TEST_PY,
        "vendor/tinydep-1.0-py3-none-any.whl": _wheel(),
    },
    file="shop/cart.py",
    wrong="sum(round(price * count) for price, count in lines)",
    right="round(sum(price * count for price, count in lines))",
    setup="python3 -m pip install -q --no-index --find-links vendor --target $HOME/deps tinydep",
    check="PYTHONPATH=$HOME/deps:. python3 -B test_cart.py",  # a .pyc could outlive a quick edit
)
QUICK = dataclasses.replace(PYTHON, setup="python3 -m zipfile -e vendor/*.whl $HOME/deps")
"""The same bug where installing is not the point."""

_CART_JS = b"""\
exports.total = (lines) =>
  lines.reduce((sum, [price, count]) => sum + Math.round(price * count), 0);
"""
_TEST_JS = b"""\
const test = require("node:test");
const assert = require("node:assert");
const { cents } = require("tinydep");
const { total } = require("../src/cart");

test("rounds the sum", () => {
  assert.strictEqual(total([[0.4, 1], [0.4, 1], [0.4, 1]]), cents(1.2));
});
"""
_NEEDED = {"tinydep": "file:vendor/tinydep"}
NODE = Bug(
    files={
        ".gitignore": b"node_modules/\n",
        "package.json": _json(
            name="shop", version="1.0.0", scripts={"test": "node --test"}, dependencies=_NEEDED
        ),
        "package-lock.json": _json(
            name="shop",
            version="1.0.0",
            lockfileVersion=3,
            requires=True,
            packages={
                "": {"name": "shop", "version": "1.0.0", "dependencies": _NEEDED},
                "node_modules/tinydep": {"resolved": "vendor/tinydep", "link": True},
                "vendor/tinydep": {"version": "1.0.0"},
            },
        ),
        "src/cart.js": _CART_JS,
        "test/cart.test.js": _TEST_JS,
        "vendor/tinydep/package.json": _json(name="tinydep", version="1.0.0"),
        "vendor/tinydep/index.js": b"exports.cents = (amount) => Math.round(amount);\n",
    },
    file="src/cart.js",
    wrong="lines.reduce((sum, [price, count]) => sum + Math.round(price * count), 0)",
    right="Math.round(lines.reduce((sum, [price, count]) => sum + price * count, 0))",
    setup="npm ci --offline --no-audit --no-fund",
    check="npm test",
    needs=("node", "npm"),
)
