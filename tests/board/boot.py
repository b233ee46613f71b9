"""Boots a board in QEMU: with its console on this terminal, or to run programs and learn how they ended."""

import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import images
import payload

from host import CACHE, SOURCE, BoardError, locked, run, say, step


def build():
    """Brings the arm64 build up to date, as the board's programs come from there."""
    images.sysroot()
    options = {"loud": True, "cwd": SOURCE, "env": {**os.environ, "PANBO_SYSROOT_READY": "1"}}
    with step("building for arm64"):
        if not (payload.BUILD / "build.ninja").exists():
            run("cmake", "--preset", "arm64", **options)
        run("cmake", "--build", "--preset", "arm64", **options)


def prepare(options, initrd):
    """Makes what is missing; returns the QEMU command, without the console."""
    with locked():
        if options.build:
            build()
        options.run = [payload.find_program(name) for name in options.run]
        options.copy = [payload.find_program(name) for name in options.copy]
        kernel = images.kernel(options.kernel)
        command = images.machine(options.memory, options.steady)
        mode = "fast" if options.fast else "full"
        words = f"console=ttyAMA0 quiet mem={options.memory}M panic=-1 oops=panic psi=1 BOARD={mode} {options.cmdline}"
        command += ["-no-reboot", "-kernel", kernel / "vmlinuz", "-initrd", initrd, "-append", words]
        if not options.fast:
            disk = images.root(options.mesa)
            # Writes go to a temporary file: every boot starts from the same disk.
            command += ["-drive", f"file={disk},format=raw,if=none,id=disk,snapshot=on"]
            command += ["-device", "virtio-blk-pci,drive=disk"]
        payload.write(initrd, kernel, options)
    return command


def console(options):
    """The board's console on this terminal. Returns when the board is switched off."""
    with tempfile.TemporaryDirectory(prefix="panbo-board-") as folder:
        command = prepare(options, f"{folder}/initrd")
        say("booting; leave with exit or Ctrl-D, or end QEMU with Ctrl-A X")
        return subprocess.run([*command, "-serial", "mon:stdio"], check=False).returncode


def run_programs(options):
    """Returns the first status of a program that is not 0, or 0."""
    with tempfile.TemporaryDirectory(prefix="panbo-board-") as folder:
        command = prepare(options, f"{folder}/initrd")
        mode = "fast" if options.fast else "full"
        log = CACHE / f"logs/{options.run[0].name}-{options.kernel}-{mode}.log"
        log.parent.mkdir(exist_ok=True)
        report = pathlib.Path(folder) / "report"
        for file in (log, report):
            file.write_text("")
        command += ["-serial", f"file:{log}", "-device", "virtio-serial-pci"]
        for port, file in (("output", "/dev/stdout"), ("report", report)):
            command += ["-chardev", f"file,id={port},path={file}"]
            command += ["-device", f"virtserialport,name={port},chardev={port}"]
        say(f"booting the {mode} board with kernel {options.kernel}")
        start = time.monotonic()
        why = run_machine(command, options.timeout)
        lines = report.read_text().splitlines()
    say(f"the board was on for {time.monotonic() - start:.1f} s; its console: {log.relative_to(SOURCE)}")
    return result(lines, why, log)


def run_machine(command, timeout):
    """Copies what the board's programs print to stdout. Returns why it was stopped early, if it was."""
    # QEMU does not outlive this process, however it ends.
    command = ["setpriv", "--pdeathsig", "KILL", *command]
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    expired = threading.Event()

    def stop():
        expired.set()
        qemu.kill()

    timer = threading.Timer(timeout, stop)
    timer.start()
    try:
        while data := os.read(qemu.stdout.fileno(), 65536):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        qemu.wait()
    finally:
        timer.cancel()
        qemu.kill()
    return f"it was not done after {timeout} s" if expired.is_set() else None


def result(lines, why, log):
    first = 0
    for line in lines:
        status, _, name = line.partition(" ")
        if name:
            say(f"{name}: status {status}")
            first = first or int(status)
    if lines[-1:] != ["end"]:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
        why = why or "it stopped before its programs had ended"
        raise BoardError(f"the end of its console:\n{tail}\nboard: {why}; the whole console: {log}")
    return first
