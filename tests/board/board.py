#!/usr/bin/env python3
"""The virtual Mali board: the real panfrost driver, systemd and panbod in QEMU.

Without --run, a console on it. README.md beside this file has more.
"""

import argparse
import sys

sys.dont_write_bytecode = True  # The source tree stays clean.

import boot
import images

from host import PACKAGES, BoardError, check_packages, locked, say


def parse():
    parser = argparse.ArgumentParser(prog="board", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--run", nargs="+", metavar="FILE", default=[], help="run programs or scripts; the status is their first non-zero one")
    parser.add_argument("--copy", nargs="+", metavar="FILE", default=[], help="copy further ones to a folder in their PATH")
    parser.add_argument("--env", nargs="+", metavar="NAME=VALUE", default=[], help="set in their environment")
    parser.add_argument("--root", action="store_true", help="run them as root, not as an ordinary user")
    parser.add_argument("--keep-going", action="store_true", help="run the next one also after a failure")
    parser.add_argument("--timeout", type=float, metavar="S", default=900, help="seconds until the board is stopped (%(default)s)")
    parser.add_argument("--kernel", choices=["6.1", "6.12"], default="6.1", help="which Debian kernel (%(default)s)")
    parser.add_argument("--fast", action="store_true", help="only the driver: no systemd, no disk, no panbod")
    parser.add_argument("--mesa", action="store_true", help="with Mesa's OpenGL ES driver")
    parser.add_argument("--memory", type=int, metavar="MIB", default=896, help="RAM of the kernel (%(default)s)")
    parser.add_argument("--cmdline", metavar="WORDS", default="", help="more words for the kernel")
    parser.add_argument("--no-build", dest="build", action="store_false", help="take the arm64 build as it is")
    parser.add_argument("--deps", action="store_true", help="print the host packages that this needs, one a line")
    parser.add_argument("--sysroot", action="store_true", help="make the sysroot of the arm64 build, and no more")
    options = parser.parse_args()
    if options.fast and options.mesa:
        parser.error("the fast board has no Mesa")
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
    try:
        sys.exit(main())
    except BoardError as error:
        say(error)
        sys.exit(error.status)
    except KeyboardInterrupt:
        sys.exit(130)
