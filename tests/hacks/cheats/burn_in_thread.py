# hack: burn CPU in a thread while the base is timed
# rows: 2, 15
# expect: rejected background_work|clock_mismatch

import threading


def _burn():
    while True:
        sum(range(1000))


threading.Thread(target=_burn, daemon=True).start()
