"""Polars' allocator is told before it is there, or it hears nothing."""

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import os, sys
from pipelines.cli import main
sys.argv = ["apiledger", "--version"]
try:
    main()
finally:
    print("polars" in sys.modules, os.environ["_RJEM_MALLOC_CONF"])
"""


@pytest.mark.parametrize("said", ["narenas:2,dirty_decay_ms:100,muzzy_decay_ms:0", "narenas:4"])
def test_every_command_shares_the_pools_before_polars_is_there(said: str) -> None:
    """And what somebody set of it stays."""
    own = {"_RJEM_MALLOC_CONF": said} if said == "narenas:4" else {}
    inherited = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=inherited | own, check=True, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.splitlines()[-1] == f"False {said}"
