"""A panbod of the zoo's own: started as its own user, looked at from outside, ended."""

import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time

import people
import wire

SO_TIMESTAMPNS = 35
PING_SECONDS = 0.01
PROMPT_SECONDS = 20


class Pings:
    """Stands in for systemd's side of the watchdog. The event loop pings every 10 ms; the longest pause between two
    pings is how long it did not come around to it, and the kernel says when each was sent."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o666)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.count = 0
        self.last = None
        self.longest = 0.0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        while True:
            data, ancillary, _, _ = self.socket.recvmsg(4096, 64)
            if b"WATCHDOG=1" not in data:
                continue
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            sent = seconds + nanoseconds / 1e9
            if self.last is not None:
                self.longest = max(self.longest, sent - self.last)
            self.last = sent
            self.count += 1

    def start(self):
        self.longest = 0.0

    def pause_ms(self):
        """The longest pause since start(), beyond what is meant; one that still lasts counts."""
        still = time.time() - self.last if self.last else 0
        return max(0.0, max(self.longest, still) - PING_SECONDS) * 1000


class Daemon:
    def __init__(self, programs, settings="", cpus=None):
        self.programs = programs
        self.directory = tempfile.mkdtemp(prefix="panbo-hostile-")
        os.chmod(self.directory, 0o755)
        self.socket = os.path.join(self.directory, "panbo.sock")
        self.admin_socket = os.path.join(self.directory, "admin.sock")
        self.pings = Pings(os.path.join(self.directory, "notify"))
        config = os.path.join(self.directory, "panbod.toml")
        with open(config, "w", encoding="utf-8") as file:
            file.write(settings)
        os.chmod(config, 0o644)
        if people.IS_ROOT:
            os.chown(self.directory, people.DAEMON, people.DAEMON)
        environment = dict(os.environ)
        environment["NOTIFY_SOCKET"] = os.path.join(self.directory, "notify")
        environment["WATCHDOG_USEC"] = str(int(2 * PING_SECONDS * 1e6))
        self.log_path = os.path.join(self.directory, "log")
        with open(self.log_path, "wb") as log:
            self.process = people.spawn(
                [programs.panbod, "--device", "sim", "--socket", self.socket, "--config", config], people.DAEMON, cpus,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            self.admin = self.await_admin()
            self.config = self.admin.config()
        except BaseException:
            self.end()
            raise

    def await_admin(self):
        limit = time.monotonic() + PROMPT_SECONDS
        while True:
            try:
                return wire.Admin(self.admin_socket)
            except OSError as error:
                if self.process.poll() is not None or time.monotonic() > limit:
                    raise RuntimeError(f"panbod does not serve; its log:\n{self.log()}") from error
                time.sleep(0.005)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def alive(self):
        return self.process.poll() is None

    def open_fds(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            words = file.read().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def counters(self):
        """What panboctl stats --json says; nothing if it cannot say it as JSON."""
        try:
            shown = subprocess.run([self.programs.panboctl, "--admin-socket", self.admin_socket, "stats", "--json"],
                                   capture_output=True, timeout=PROMPT_SECONDS, check=False)
            return json.loads(shown.stdout) if shown.returncode == 0 else {}
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            return {}

    def wait_quiet(self, seconds):
        """Until no client has anything and nothing is held. Returns what was left when the time was over."""
        limit = time.monotonic() + seconds
        while True:
            left = {state: count for state, count in self.admin.stats().items() if state != "ready" and count}
            if not left or time.monotonic() > limit:
                return left
            time.sleep(0.05)

    def end(self):
        """Returns its exit status; -9 if it did not end when asked to."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PROMPT_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
        return self.process.returncode
