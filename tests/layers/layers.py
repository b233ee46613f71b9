"""Checks that includes point downward only: who may include whom is the table below (docs/architecture.md).

Usage: layers.py SOURCE_DIR. Prints file:line of each include that the table does not allow, and fails if there is one.
A folder with code that the table does not name is a violation, too: a new layer starts with its line here.
"""

import pathlib
import re
import sys
from dataclasses import dataclass

# The standard library without files, threads and the environment: code that includes nothing else runs in virtual time.
PURE = set("""algorithm array atomic bit cassert cerrno charconv chrono climits cmath compare concepts cstddef cstdint cstdio
    cstdlib cstring deque functional initializer_list iterator limits list map memory numeric optional ostream queue
    ranges set span sstream stdexcept string string_view tuple type_traits unordered_map unordered_set utility variant
    vector""".split())


@dataclass
class Layer:
    folder: str
    # Files and folders of the project that it may include, beside itself.
    below: tuple[str, ...]
    # Headers from elsewhere that it may include; None: all.
    system: set[str] | None = None


LAYERS = [
    Layer("proto", ()),
    Layer("daemon/core", ("proto/result.h", "proto/size_class.h"), PURE),
    Layer("daemon/device", ("daemon/core", "proto")),
    Layer("daemon/service", ("daemon/core", "proto/result.h", "proto/limits.h", "proto/lease_table.h"), PURE),
    Layer("daemon/transport", ("daemon/service", "daemon/core", "daemon/device/backend.h",
                               "daemon/device/sim_control.h", "proto")),
    Layer("daemon/app", ("daemon", "proto")),
    Layer("client/include", ()),
    Layer("client/lib", ("client/include", "proto")),
    Layer("client/cli", ("client", "proto")),
    Layer("client/interpose", ("client/include", "proto")),
]
# The code that is checked. Tests may include everything, and nothing else may include them.
TOP_FOLDERS = ("proto", "daemon", "client")
# Where a name without a folder can be found, and what is found there only after the build.
INCLUDE_PATHS = ("", "proto", "client/include")
GENERATED = {name: f"proto/{name.split('/')[-1]}" for name in
             ("panbo.pb.h", "proto/panbo.pb.h", "trace.pb.h", "proto/trace.pb.h")}
# libpanbo lives in programs with a protobuf of their own, so it must not bring one (docs/decisions/0003-two-codecs.md).
FORBIDDEN = {"client/lib": ("proto/panbo.pb.h", "proto/trace.pb.h")}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def inside(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder + "/")


def resolve(root: pathlib.Path, including: pathlib.Path, name: str) -> str | None:
    """The project's file of that name, relative to the root, or None for a header from elsewhere."""
    candidates = [including.parent / name] + [root / path / name for path in INCLUDE_PATHS]
    for candidate in candidates:
        if candidate.is_file() and candidate.resolve().is_relative_to(root):
            return candidate.resolve().relative_to(root).as_posix()
    if name.split("/")[0] in (*TOP_FOLDERS, "tests"):
        return name
    return GENERATED.get(name)


def problem(layer: Layer, target: str | None, name: str) -> str | None:
    """Why the layer must not include it, or None."""
    if target is None:
        if layer.system is not None and name not in layer.system:
            return f"{layer.folder} must not include <{name}>"
    elif target in FORBIDDEN.get(layer.folder, ()):
        return f"{layer.folder} must not include {target}"
    elif not any(inside(target, allowed) for allowed in (layer.folder, *layer.below)):
        return f"{layer.folder} must not include {target}"
    return None


def violations(root: pathlib.Path) -> list[str]:
    root = root.resolve()
    found = []
    for top in TOP_FOLDERS:
        for path in sorted((root / top).rglob("*")):
            if path.suffix not in (".c", ".cpp", ".h"):
                continue
            file = path.relative_to(root).as_posix()
            layer = next((layer for layer in LAYERS if inside(file, layer.folder)), None)
            if layer is None:
                found.append(f"{file}:1: no layer has this folder")
                continue
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                if include := INCLUDE.match(line):
                    name = include[2]
                    if why := problem(layer, resolve(root, path, name), name):
                        found.append(f"{file}:{number}: {why}")
    return found


def main() -> int:
    found = violations(pathlib.Path(sys.argv[1]))
    for line in found:
        print(line)
    print(f"{len(found)} violations")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
