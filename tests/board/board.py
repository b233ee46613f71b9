#!/usr/bin/env python3
"""The virtual Mali board: the real panfrost driver, systemd and panbod in QEMU.

Without --run, a console on it. README.md beside this file has more.
"""

import argparse
import signal
import sys

sys.dont_write_bytecode = True  # The source tree stays clean.

import boot
import images

from host import PACKAGES, BoardError, check_packages, locked, say


def parse():
    parser = argparse.ArgumentParser(prog="board", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add = parser.add_argument
    add("--run", nargs="+", metavar="FILE", default=[], help="run programs or scripts; the first status that is not 0")
    add("--copy", nargs="+", metavar="FILE", default=[], help="copy further files to a folder in their PATH")
    add("--env", nargs="+", metavar="NAME=VALUE", default=[], help="set in their environment")
    add("--root", action="store_true", help="run them as root, not as an ordinary user")
    add("--keep-going", action="store_true", help="run the next one also after a failure")
    add("--timeout", type=float, metavar="S", default=900, help="seconds until the board is stopped (%(default)s)")
    add("--kernel", choices=["6.1", "6.12"], default="6.1", help="which Debian kernel (%(default)s)")
    add("--fast", action="store_true", help="only the driver: no systemd, no disk, no panbod")
    add("--mesa", action="store_true", help="with Mesa's OpenGL ES driver; programs run under panbo-run")
    add("--plain", action="store_true", help="not under panbo-run")
    add("--memory", type=int, metavar="MIB", default=896, help="RAM of the kernel (%(default)s)")
    add("--steady", action="store_true", help="a clock that counts instructions, not the host's time; slower")
    add("--cmdline", metavar="WORDS", default="", help="more words for the kernel")
    add("--no-build", dest="build", action="store_false", help="take the arm64 build as it is")
    add("--deps", action="store_true", help="print the host packages that this needs, one a line")
    add("--sysroot", action="store_true", help="make the sysroot of the arm64 build, and no more")
    options = parser.parse_args()
    if options.fast and options.mesa:
        parser.error("the fast board has no Mesa")
    if options.plain and not options.mesa:
        parser.error("--plain is for --mesa")
    if options.copy and not options.run:
        parser.error("--copy is for --run")
    return options


def main():
    options = parse()
    if options.deps:
        print("\n".join(PACKAGES))
        return 0
    check_packages()
    if options.sysroot:
        with locked():
            images.sysroot()
        return 0
    return boot.run_programs(options) if options.run else boot.console(options)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        sys.exit(main())
    except BoardError as error:
        say(error)
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(130)
