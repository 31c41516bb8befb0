"""One measurement: a server and a client, each with or without the preload, in a directory and on a port of their own."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import report

READY_TIMEOUT_S = 20
RUN_TIMEOUT_S = 120
SOCKETS_SHOWN = 12


class Failed(Exception):
    """A program ended badly, never came up, or hung."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    """Looks without connecting: a probe would be a client to the server."""
    wanted = f"{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(table) as lines:
            for line in lines:
                fields = line.split()
                if fields[3] == "0A" and fields[1].rsplit(":", 1)[1] == wanted:
                    return True
    return False


class Session:
    """MODE is "plain", "both", "server" or "client": who gets the preload. PIN is the CPU of the server and that of the client, or None."""

    def __init__(self, mode, library, programs, settings="", pin=None, seconds=2.0, traced=False):
        self.mode = mode
        self.settings = settings
        self.pin = pin
        self.seconds = seconds
        self.traced = traced
        self.programs = programs
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="rs-bench-"))
        self.directory.chmod(0o755)
        (self.directory / "config").mkdir()
        self.report = self.directory / "report"
        report.create(self.report)
        # A copy that every user can read, and that a build beside us cannot change under a running program.
        self.library = self.directory / "librspreload.so"
        if mode != "plain":
            shutil.copy(library, self.library)
            self.library.chmod(0o755)
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in self.children:
            for number, wait_s in ((signal.SIGTERM, 3), (signal.SIGKILL, 10)):
                try:
                    os.killpg(child.pid, number)
                except ProcessLookupError:
                    pass
                try:
                    child.wait(wait_s)
                    break
                except subprocess.TimeoutExpired:
                    continue
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        shutil.rmtree(self.directory, ignore_errors=True)

    def environment(self, side):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("RSOCKET_", "LD_PRELOAD"))}
        kept["LC_ALL"] = "C"
        if self.mode in ("both", side):
            kept |= {
                "LD_PRELOAD": str(self.library),
                "RSOCKET_REPORT": str(self.report),
                "RSOCKET_CONFIG_DIR": str(self.directory / "config"),
            }
            if self.traced:
                kept["RSOCKET_TRACE"] = str(self.directory / "trace")
            if self.settings:
                kept["RSOCKET_SET"] = self.settings
        return kept

    def command(self, side, command):
        pinned = ["taskset", "-c", str(self.pin[side == "client"])] if self.pin else []
        return pinned + [str(word) for word in command]

    def program(self, name):
        """The path of one of our own programs."""
        return self.programs / name

    def serve(self, *command, user=None):
        """Starts the server and waits until it listens. Returns its process."""
        log = open(self.directory / "server.log", "wb")
        if user:
            os.chown(self.directory, pwd.getpwnam(user).pw_uid, -1)
        child = subprocess.Popen(
            self.command("server", command), cwd=self.directory, env=self.environment("server"), stdin=subprocess.DEVNULL,
            stdout=log, stderr=log, start_new_session=True, user=user, extra_groups=[] if user else None,
        )
        self.children.append(child)
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not is_listening(self.port):
            if child.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"{command[0]} does not listen:\n{self.server_log()}")
            time.sleep(0.02)
        return child

    def server_log(self):
        return (self.directory / "server.log").read_text(errors="replace")[-2000:]

    def run(self, *command, user=None):
        """Runs the client to its end. Returns what it printed."""
        child = subprocess.Popen(
            self.command("client", command), cwd=self.directory, env=self.environment("client"), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, user=user,
            extra_groups=[] if user else None,
        )
        self.children.append(child)
        try:
            output, errors = child.communicate(timeout=RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"{command[0]} hung ({self.mode})\n{self.picture()}") from None
        if child.returncode != 0:
            raise Failed(f"{command[0]} ended with {child.returncode} ({self.mode})\n{output}{errors}{self.server_log()}")
        return output

    def picture(self):
        """Both sides as the kernel sees them."""
        sockets = subprocess.run(["ss", "-tnpiOH", f"( sport = :{self.port} or dport = :{self.port} )"], capture_output=True, text=True)
        lines = [" ".join(line.split()) for line in sockets.stdout.splitlines()]
        parts = lines[:SOCKETS_SHOWN] + [f"{len(lines)} sockets"]
        for child in self.children:
            for name in ("cmdline", "stack", "wchan"):
                try:
                    parts.append(f"{child.pid} {name}: " + Path(f"/proc/{child.pid}/{name}").read_text().replace("\0", " "))
                except OSError:
                    pass
        return "\n".join(parts)

    def promoted(self):
        """How many ends of connections to the server's port were promoted, and how many there were."""
        ends = [end for end in report.read(self.report)[0] if end.service_port == self.port]
        return sum(end.promoted for end in ends), len(ends)
