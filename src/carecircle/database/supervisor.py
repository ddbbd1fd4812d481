"""The embedded server's parent process: it ends the server once its owner is gone and nobody else uses it.

Run as a script by embedded.py, with standard library only: `supervisor.py <supervisor lock> <users lock> <uid or -> <gid or ->
<postgres command>...`. Standard input is a pipe whose other end only the owner holds; standard output tells the owner
"pid <n>", then "shared" when others still use the server, then "exit <status>"; standard error is the server's log.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading

FAST_SHUTDOWN_SECONDS = 60


def main(supervisor_lock: str, users_lock: str, uid: str, gid: str, *command: str) -> int:
    """Start the server, stay until it has ended; 0 when it was started at all."""
    held = os.open(supervisor_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)  # others hold it at most for the moment they look whether a supervisor lives
    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        user=None if uid == "-" else int(uid),
        group=None if gid == "-" else int(gid),
        extra_groups=None if uid == "-" else [],
        umask=0o077,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    signal.signal(signal.SIGINT, lambda *_: server.send_signal(signal.SIGINT))
    say(f"pid {server.pid}")
    threading.Thread(target=stop_when_unused, args=(server, users_lock), daemon=True).start()
    say(f"exit {server.wait()}")
    return 0


def stop_when_unused(server: subprocess.Popen[bytes], users_lock: str) -> None:
    """Wait for the owner's end, then for the last user's, then shut the server down; the lock is kept until this process ends."""
    while os.read(0, 4096):
        pass
    users = os.open(users_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("shared")
        fcntl.flock(users, fcntl.LOCK_EX)
    server.send_signal(signal.SIGINT)
    try:
        server.wait(FAST_SHUTDOWN_SECONDS)
    except subprocess.TimeoutExpired:
        server.send_signal(signal.SIGQUIT)


def say(line: str) -> None:
    """Tell the owner, who may be gone."""
    with contextlib.suppress(BrokenPipeError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
