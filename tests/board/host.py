"""What the board needs of the host: programs to run, a cache of made things, and a voice."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
HERE = SOURCE / "tests/board"
CACHE = SOURCE / "build/board"
# Of Debian, as apt calls it. The board's is the same.
RELEASE = platform.freedesktop_os_release().get("VERSION_CODENAME", "")

# Debian package -> a file or program of it that is used.
PACKAGES = {
    "cmake": "cmake",
    "crossbuild-essential-arm64": "aarch64-linux-gnu-g++",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
    "device-tree-compiler": "dtc",
    "e2fsprogs": "mke2fs",
    "fakeroot": "fakeroot",
    "kmod": "depmod",
    "ninja-build": "ninja",
    "protobuf-compiler": "protoc",
    "qemu-system-arm": "qemu-system-aarch64",
}

# An ordinary user's PATH may lack the folders of depmod and mke2fs.
os.environ["PATH"] += ":/usr/sbin:/sbin"


class BoardError(Exception):
    """Ends the program with a message that says what to do."""

    status = 1


class MissingPackages(BoardError):
    """The host cannot run a board. The status is the one that CTest takes for "skipped"."""

    status = 77


def say(text):
    print(f"board: {text}", file=sys.stderr, flush=True)


def check_packages():
    missing = [package for package, needed in PACKAGES.items() if not (shutil.which(needed) or os.path.exists(needed))]
    if missing:
        raise MissingPackages(f"packages are missing. Install them: apt-get install {' '.join(missing)}")


def run(*command, loud=False, **options):
    """Runs a program and returns what it printed. Its complaints are shown only if it fails; all of it if loud."""
    command = [str(word) for word in command]
    out, err = (sys.stderr, None) if loud else (subprocess.PIPE, subprocess.PIPE)
    done = subprocess.run(command, stdout=out, stderr=err, text=True, check=False, **options)
    if done.returncode != 0:
        complaint = "\n".join(((done.stdout or "") + (done.stderr or "")).splitlines()[-20:])
        raise BoardError(f"failed with status {done.returncode}: {' '.join(command)}\n{complaint}")
    return done.stdout


@contextlib.contextmanager
def step(what):
    """Says what is being done, and how long it took."""
    say(f"{what} ...")
    start = time.monotonic()
    yield
    say(f"{what}: {time.monotonic() - start:.1f} s")


@contextlib.contextmanager
def locked():
    """One board at a time makes the things that all share."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(name, inputs, make):
    """The path build/board/NAME, made by make(path) unless it is there and was made of the same inputs.

    `inputs` are strings and, for the files among them, paths. What is made appears all at once: an interrupted run
    leaves nothing that looks complete.
    """
    target = CACHE / name
    stamp = target.with_name(f".{target.name}.stamp")
    digest = hashlib.sha256()
    for part in inputs:
        digest.update(part.read_bytes() if isinstance(part, pathlib.Path) else part.encode())
        digest.update(b"\0")
    key = digest.hexdigest()
    if target.exists() and stamp.exists() and stamp.read_text() == key:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.unfinished")
    remove(unfinished)
    with step(f"making {target.relative_to(SOURCE)}"):
        make(unfinished)
    stamp.unlink(missing_ok=True)
    remove(target)
    unfinished.rename(target)
    stamp.write_text(key)
    return target


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
