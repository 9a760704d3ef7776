"""A state directory without configuration, and the command line as processes in it."""

import pytest

from tests.cli.process import Shell


@pytest.fixture
async def shell(tmp_path):
    async with Shell(tmp_path) as shell:
        yield shell
