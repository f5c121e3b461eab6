"""One thread that does jobs in the order given, for a caller that must not wait for a disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from grokscope.runs.errors import RunError

Job = Callable[[], None]


class BackgroundWriter:
    """Runs jobs one after the other, at most `capacity` of them waiting.

    After a job that raised, no later job is run: what is on disk then is exactly what came before it. The
    error is raised in the caller's thread, by every call that follows.
    """

    def __init__(self, capacity: int) -> None:
        self._jobs: queue.Queue[Job | None] = queue.Queue(capacity)
        self.error: BaseException | None = None
        # A daemon, so that a caller that dies without `close` does not leave a process that never ends.
        self._thread = threading.Thread(target=self._run, name="grokscope-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Add a job, waiting while the queue is full. Raises `RunError` if an earlier job failed."""
        self.check()
        self._jobs.put(job)

    def drain(self) -> None:
        """Wait until all jobs are done. Raises `RunError` if one failed."""
        self._jobs.join()
        self.check()

    def check(self) -> None:
        """Raise `RunError` if a job has failed."""
        if self.error is not None:
            raise RunError(str(self.error)) from self.error

    def close(self) -> None:
        """Wait until all jobs are done and end the thread, without raising; a second call does nothing."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                if self.error is None:
                    job()
            except BaseException as error:
                self.error = error
            finally:
                del job  # with its tensors, before waiting for the next one
                self._jobs.task_done()
        self._jobs.task_done()
