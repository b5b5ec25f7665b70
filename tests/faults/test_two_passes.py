"""Many passes at once over one home: each file is landed once, and who waits in vain comes back at the next tick."""

import pytest

from tests.faults import whole_pass
from tests.faults.gateway_logs import GATEWAYS, Truth
from tests.faults.healed import assert_healed
from warehouse import database
from warehouse.home import Home


def _together(home: Home, passes: int, rounds: int) -> None:
    truth = Truth()
    for number in range(rounds):
        truth.drop(home, number)
        files = sum(len(list((home.inbox / gateway).iterdir())) for gateway in GATEWAYS)
        started = [whole_pass.start(home) for _ in range(passes)]
        codes = [whole_pass.ended(process, limit_s=240) for process in started]
        assert set(codes) <= {0, whole_pass.BUSY}
        assert 0 in codes
        with database.control(home) as control:
            (landed,) = control.execute("SELECT count(DISTINCT file_sha256) FROM load").fetchone()
            assert control.execute("SELECT count(*) FROM load").fetchone() == (landed,)
            assert landed == files * (number + 1)
        assert_healed(home, truth)


@pytest.mark.soak
def test_three_passes_at_once_land_each_file_once(home: Home) -> None:
    """Two rounds at every commit, the second into a home that has a version."""
    _together(home.make(GATEWAYS), passes=3, rounds=2)


@pytest.mark.soak
def test_eight_passes_at_once_land_each_file_once(home: Home) -> None:
    """Ten rounds."""
    _together(home.make(GATEWAYS), passes=8, rounds=10)
