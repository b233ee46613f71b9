"""An archive as the kernel unpacks it for its first root file system ("newc"). Everything in it belongs to root."""

import os
import stat


class Cpio:
    def __init__(self, stream):
        self.stream = stream
        self.folders = set()
        self.count = 0

    def folder(self, path):
        """With its parents."""
        if path in self.folders or not path:
            return
        self.folder(os.path.dirname(path))
        self.folders.add(path)
        self._entry(path, stat.S_IFDIR | 0o755, b"")

    def file(self, path, content, mode=0o644):
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFREG | mode, content)

    def link(self, path, target):
        self.folder(os.path.dirname(path))
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def tree(self, source, prefix):
        """A folder of the host, below `prefix`."""
        for parent, folders, files in os.walk(source):
            below = os.path.normpath(os.path.join(prefix, os.path.relpath(parent, source)))
            self.folder(below)
            for name in sorted(folders + files):
                path, entry = os.path.join(parent, name), os.path.join(below, name)
                if os.path.islink(path):
                    self.link(entry, os.readlink(path))
                elif os.path.isfile(path):
                    with open(path, "rb") as content:
                        self.file(entry, content.read(), stat.S_IMODE(os.stat(path).st_mode))

    def end(self):
        self._entry("TRAILER!!!", 0, b"")

    def _entry(self, path, mode, content):
        self.count += 1
        name = path.encode() + b"\0"
        numbers = (self.count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        self._padded(b"070701" + b"".join(b"%08x" % number for number in numbers) + name)
        self._padded(content)

    def _padded(self, data):
        self.stream.write(data + b"\0" * (-len(data) % 4))
