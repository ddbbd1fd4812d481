"""The embedded server's parent process: it starts a killed server again, and ends it once nobody uses it any more.

Run as a script by embedded.py, with standard library only: `supervisor.py <supervisor lock> <users lock> <uid or -> <gid or ->
<postgres command>...`. Standard input is a pipe whose other end only the owner holds: the owner writes a line once the server
has come up, and only from then on is one that dies started again. Standard output tells the owner "pid <n>", then "shared"
when others still use the server, then "exit <status>"; standard error is the server's log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

FAST_SHUTDOWN_SECONDS = 60
MOST_DEATHS = 5
WITHIN_SECONDS = 600
# What a killed server leaves behind (its processes that end a little later, its shared memory) bars the way for so long at most.
TRACES_SECONDS = 30
RETRY_SECONDS = 0.2


class Server:
    """The server's process, and the next one when it is killed."""

    def __init__(self, command: Sequence[str], uid: str, gid: str) -> None:
        self._command, self._uid, self._gid = command, uid, gid
        self._lock = threading.RLock()  # a signal's handler may come while it is held
        self._stopping = False
        self.kept = False
        self.process = self._launched()

    def wait(self) -> int:
        """Until it has ended for good; its status. It is started again unless it ended in order or was told to."""
        deaths: list[float] = []
        while True:
            status = self.process.wait()
            if status == 0 or self._stopping or not self.kept:
                return status
            now = time.monotonic()
            if not (status == 1 and deaths and now - deaths[-1] < TRACES_SECONDS):  # 1: it refused to start
                deaths = [death for death in deaths if now - death < WITHIN_SECONDS] + [now]
            if len(deaths) > MOST_DEATHS:
                return status
            time.sleep(RETRY_SECONDS)
            with self._lock, contextlib.suppress(OSError):
                if not self._stopping:
                    self.process = self._launched()

    def stop(self) -> None:
        """Ask for a fast shutdown, and start none any more."""
        with self._lock:
            self._stopping = True
            self.process.send_signal(signal.SIGINT)

    def _launched(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            user=None if self._uid == "-" else int(self._uid),
            group=None if self._gid == "-" else int(self._gid),
            extra_groups=None if self._uid == "-" else [],
            umask=0o077,
        )
        if self._stopping:  # the signal came while the process was being made
            process.send_signal(signal.SIGINT)
        return process


def main(supervisor_lock: str, users_lock: str, uid: str, gid: str, *command: str) -> int:
    """Start the server, stay until it has ended; 0 when it was started at all."""
    held = os.open(supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)  # others hold it at most for the moment they look whether a supervisor lives
    server = Server(command, uid, gid)
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    signal.signal(signal.SIGINT, lambda *_: server.stop())
    say(f"pid {server.process.pid}")
    threading.Thread(target=stop_when_unused, args=(server, users_lock), daemon=True).start()
    say(f"exit {server.wait()}")
    return 0


def stop_when_unused(server: Server, users_lock: str) -> None:
    """Wait for the owner's end, then for the last user's, then shut the server down; the lock is kept until this process ends."""
    while os.read(0, 4096):
        server.kept = True
    users = os.open(users_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("shared")
        fcntl.flock(users, fcntl.LOCK_EX)
    server.stop()
    try:
        server.process.wait(FAST_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        server.process.send_signal(signal.SIGQUIT)


def say(line: str) -> None:
    """Tell the owner, who may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
