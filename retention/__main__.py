"""`python -m retention HOME NOW`: the erasures that wait are carried out; what a page began (NOW: ISO, UTC) ends here.

A process of its own, so that the page has answered long before, and goes on when the dashboard is stopped.
"""

import sys
from datetime import datetime
from pathlib import Path

from retention import erase
from warehouse.home import Home

if __name__ == "__main__":
    erase.carry_out(Home(Path(sys.argv[1])), datetime.fromisoformat(sys.argv[2]), lambda *_: None)
