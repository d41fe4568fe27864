"""A process that purges, as a nightly job would: `python -m tests.load.purging URL BATCH RESTS
SECONDS`.

It rests after each batch for so many times as long as that took. It ends when nothing is over, or
the seconds are, and tells how many it deleted.
"""

from __future__ import annotations

import sys
import time

from counterfoil.adapters import open_store

from .population import now


def main(url: str, batch: int, rests: int, seconds: int) -> int:
    """Purge all that is over; answers how many that was."""
    store = open_store(url)
    purged, done = 0, batch
    deadline = time.monotonic() + seconds
    while done and time.monotonic() < deadline:
        start = time.monotonic()
        done = store.purge(now(), batch)
        purged += done
        time.sleep(rests * (time.monotonic() - start))
    store.close()
    return purged


if __name__ == "__main__":
    url, batch, rests, seconds = sys.argv[1:]
    print(main(url, int(batch), int(rests), int(seconds)))
