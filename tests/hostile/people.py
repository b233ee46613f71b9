"""Processes: of which user they are, on which CPU, and that they end with the one that started them."""

import contextlib
import ctypes
import os
import resource
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)

# Of the daemon and the honest clients.
niceness = 0

# Users that no system has. Without root there is one user only: whoever runs this.
IS_ROOT = os.geteuid() == 0
DAEMON, OTHER, FIRST_ANIMAL = (64101, 64102, 64200) if IS_ROOT else (None, None, None)


def animal_uid(number):
    return FIRST_ANIMAL + number if IS_ROOT else None


def become(uid):
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def end_with_parent():
    """To be called after the uid has changed, which would undo it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(command, uid, cpus=None, **arguments):
    """A program of that user, on those CPUs, that ends with this process."""

    def settle():
        end_with_parent()
        if cpus is not None:
            os.sched_setaffinity(0, cpus)

    process = subprocess.Popen(command, user=uid, group=uid, extra_groups=[] if IS_ROOT else None, preexec_fn=settle,
                               **arguments)
    if niceness:
        os.setpriority(os.PRIO_PROCESS, process.pid, niceness)
    return process


def raise_fd_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Person:
    """A child process that runs a function, which gets a callable with which it says that it is ready."""

    def __init__(self, function, uid=None, cpu=None, errors=None):
        reader, writer = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                if errors is not None:
                    os.dup2(errors, 2)
                # The parent's fds are not this one's, except for those it speaks through.
                os.closerange(3, writer)
                os.closerange(writer + 1, 65536)
                raise_fd_limit()
                if cpu is not None:
                    os.sched_setaffinity(0, {cpu})
                become(uid)
                end_with_parent()
                if os.getppid() != parent:
                    os._exit(1)
                function(lambda: os.write(writer, b"r"))
                status = 0
            except BaseException as error:  # pylint: disable=broad-except
                print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(status)
        os.close(writer)
        self.reader = reader

    def wait_ready(self, seconds):
        """Whether it said so in time."""
        readable, _, _ = select.select([self.reader], [], [], max(0, seconds))
        return bool(readable) and os.read(self.reader, 1) == b"r"

    def end(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.reader)


def burn(ready):
    """What a hostile client is compared with: it only takes the CPU."""
    ready()
    while True:
        pass


@contextlib.contextmanager
def working(functions_and_uids, cpu, ready_seconds, errors=None):
    """Those processes, while the block runs. Yields how many of them were ready in time."""
    started = []
    try:
        for function, uid in functions_and_uids:
            started.append(Person(function, uid, cpu, errors))
        limit = time.monotonic() + ready_seconds
        yield sum(person.wait_ready(limit - time.monotonic()) for person in started)
    finally:
        for person in started:
            person.end()
