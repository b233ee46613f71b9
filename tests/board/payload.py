"""The first root file system of a board, as an archive for the kernel: busybox, modules, and what shall run.

On the fast board it stays the only one. On the full board what is below payload/ is copied to the disk's file system.
"""

import os
import pathlib
import re
import shlex
import tempfile

import cpio
import images

from host import CACHE, HERE, SOURCE, BoardError, run, say

BUILD = SOURCE / "build/arm64"
LIBRARY_FOLDERS = [BUILD / "lib", *(CACHE / "sysroot/usr/lib" / name for name in ("aarch64-linux-gnu", "."))]


def find_program(name):
    """The path of a program or script of the user, who may name one of the arm64 build without its folder."""
    for path in (pathlib.Path(name), BUILD / "bin" / name):
        if path.is_file():
            return path.absolute()
    raise BoardError(f"{name} is neither a file nor a program of the arm64 build")


def content_of(path):
    """A program without its debug information; anything else as it is."""
    content = path.read_bytes()
    if not content.startswith(b"\x7fELF"):
        return content
    if content[18:20] != b"\xb7\0":
        raise BoardError(f"{path} is not an arm64 program; those are in {BUILD / 'bin'}")
    with tempfile.NamedTemporaryFile() as stripped:
        run("aarch64-linux-gnu-strip", "-o", stripped.name, path)
        return pathlib.Path(stripped.name).read_bytes()


def libraries_of(programs):
    """The shared libraries that programs need, and the ones that those need: name -> path."""
    found = {}
    unseen = [path for path in programs if path.read_bytes().startswith(b"\x7fELF")]
    while unseen:
        dynamic = run("aarch64-linux-gnu-readelf", "-d", "-l", unseen.pop())
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]|program interpreter: .*/(.*)\]", dynamic)
        for name in filter(None, (name for pair in needed for name in pair)):
            if name not in found:
                paths = [folder / name for folder in LIBRARY_FOLDERS if (folder / name).exists()]
                if not paths:
                    raise BoardError(f"no library {name} in {', '.join(map(str, LIBRARY_FOLDERS))}")
                found[name] = paths[0]
                unseen.append(paths[0])
    return found


def write(file, kernel, options):
    """`options` are those of the command line."""
    with open(file, "wb") as stream:
        archive = cpio.Cpio(stream)
        archive.file("init", (HERE / "guest/init").read_bytes(), 0o755)
        archive.file("bin/busybox", images.busybox().read_bytes(), 0o755)
        archive.tree(kernel / "modules", "modules")
        if options.fast:
            archive.file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")
            archive.file("etc/group", b"root:x:0:\nuser:x:1000:\n")
            write_programs(archive, "", options)
            for name, path in libraries_of(options.run + options.copy).items():
                archive.file(f"lib/{name}", content_of(path), 0o755)
        else:
            write_installed(archive, "payload")
            write_programs(archive, "payload/", options)
            unit = "board-run.service" if options.run else "board-console.service"
            archive.file("payload/etc/systemd/system/" + unit, (HERE / "guest" / unit).read_bytes())
            archive.link("payload/etc/systemd/system/default.target", "board.target")
            archive.file(
                "payload/etc/systemd/system/board.target", f"[Unit]\nWants=multi-user.target {unit}\n".encode()
            )
        archive.end()


def write_programs(archive, prefix, options):
    if not options.run:
        return
    if options.root:
        board_as = ""
    elif options.fast:
        board_as = "su -p -s /bin/sh user -c"
    else:
        board_as = "setpriv --reuid=user --regid=user --init-groups --"
    if options.mesa and not options.plain:
        board_as += " panbo-run"
    lines = [f"board_as={shlex.quote(board_as)}", f"board_keep_going={'yes' if options.keep_going else ''}"]
    lines += [f"export {shlex.quote(variable)}" for variable in options.env]
    archive.file(f"{prefix}board/environment", ("\n".join(lines) + "\n").encode())
    archive.file(f"{prefix}board/run", (HERE / "guest/run").read_bytes(), 0o755)
    for number, path in enumerate(options.run):
        archive.file(f"{prefix}board/programs/{number:03}/{path.name}", content_of(path), 0o755)
    for path in options.copy:
        archive.file(f"{prefix}board/bin/{path.name}", content_of(path), 0o755)


def write_installed(archive, prefix):
    """What the arm64 build installs."""
    with tempfile.TemporaryDirectory() as folder:
        run("cmake", "--install", BUILD, "--strip", env={**os.environ, "DESTDIR": folder})
        if not os.path.exists(f"{folder}/usr/lib/systemd/system/panbod.service"):
            say("warning: the build installs no panbod.service; the board has no daemon")
        archive.tree(folder, prefix)
