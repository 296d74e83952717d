"""Looking now and then whether somebody else changed something, for as long as anybody is there to see it."""

import threading
import time
from collections.abc import Callable

EVERY_S, LEASE_S = 1.0, 90.0


class Watch:
    """A thread that looks once a second until nobody has asked for it in a while.

    Were a front end to ask instead, its notebook would show a busy kernel each time.

    Parameters
    ----------
    look
        What is done each time; called on the thread.
    """

    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self._until_s = look, 0.0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def renew(self) -> None:
        """Look for another minute and a half."""
        with self._lock:
            self._until_s = time.monotonic() + LEASE_S
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="wristkit-labels", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            time.sleep(EVERY_S)
            with self._lock:
                if time.monotonic() >= self._until_s:
                    self._thread = None
                    return
            try:
                self._look()
            except BaseException:
                with self._lock:
                    self._thread = None  # or nobody would look again
                raise
