"""What a board boots from, each made once and kept below build/board: sysroot, kernels, root file systems, machine."""

import lzma
import os
import pathlib
import shlex

import device_tree
import packages
import registers

from host import CACHE, HERE, RELEASE, cached, remove, run

# What the build needs, for the compiler. Of A|B the first that the release of Debian has.
SYSROOT = """
    libbenchmark-dev libboost1.83-dev|libboost1.81-dev libc6-dev libcli11-dev libdrm-dev libegl-dev libfmt-dev libgbm-dev
    libgles-dev libgtest-dev libprotobuf-dev libprotozero-dev libspdlog-dev libstdc++-14-dev|libstdc++-12-dev
    libsystemd-dev libtomlplusplus-dev libutfcpp-dev linux-libc-dev nlohmann-json3-dev
""".split()

# What runs on the full board: a small Debian, and the libraries of what the build installs.
ROOT = """
    base-files base-passwd bash coreutils dash findutils grep gzip hostname kmod login mawk mount passwd procps sed
    strace systemd systemd-sysv tar udev util-linux
    libdrm2 libncursesw6 libprotobuf-lite32t64|libprotobuf-lite32 libspdlog1.15|libspdlog1.10 libstdc++6 libsystemd0
    libtomlplusplus3t64|libtomlplusplus3
""".split()
MESA = "libegl-mesa0 libegl1 libgbm1 libgl1-mesa-dri libgles2".split()

# Kernel modules, beside those that they depend on.
MODULES = """
    fixed panfrost virtio_pci virtio_blk virtio_console crc32c_generic ext4
""".split()

RAM_START = 0x40000000


def sysroot():
    return cached("sysroot", [RELEASE, *SYSROOT, HERE / "packages.py"], lambda folder: unpack(SYSROOT, folder))


def unpack(names, folder):
    folder.mkdir()
    packages.unpack(names, folder)


def busybox():
    def make(file):
        folder = file.with_suffix(".package")
        unpack(["busybox-static"], folder)
        (folder / "bin/busybox").rename(file)
        remove(folder)

    return cached("busybox", [HERE / "packages.py"], make)


def kernel(series):
    """A folder with vmlinuz and, below modules/, the modules to load, in the order of their names."""

    def make(folder):
        unpacked = folder.with_suffix(".package")
        remove(unpacked)
        unpacked.mkdir()
        packages.unpack([packages.newest_kernel(series)], unpacked, dependencies=False)
        (folder / "modules").mkdir(parents=True)
        next(unpacked.glob("boot/vmlinuz-*")).rename(folder / "vmlinuz")
        modules = next(unpacked.glob("usr/lib/modules/*"))
        run("depmod", "--basedir", unpacked, modules.name)
        for number, module in enumerate(in_order(MODULES, (modules / "modules.dep").read_text())):
            content = (modules / module).read_bytes()
            if module.endswith(".xz"):
                content = lzma.decompress(content)
            (folder / f"modules/{number:02}-{module_name(module)}.ko").write_bytes(content)
        remove(unpacked)

    return cached(f"kernel-{series}", [RELEASE, series, *MODULES, HERE / "packages.py", HERE / "images.py"], make)


def module_name(path):
    return pathlib.Path(path).name.split(".")[0].replace("-", "_")


def in_order(names, modules_dep):
    """The modules' files, those that others depend on first. A name without a file is built into the kernel."""
    needs = {}
    for line in modules_dep.splitlines():
        module, _, others = line.partition(":")
        needs[module_name(module)] = [*reversed(others.split()), module]
    ordered = {}
    for name in names:
        ordered.update(dict.fromkeys(needs.get(name, [])))
    return list(ordered)


def root(with_mesa):
    """A disk image with the root file system of the full board."""
    names = ROOT + (MESA if with_mesa else [])

    def make(image):
        folder = image.with_suffix(".folder")
        remove(folder)
        folder.mkdir()
        # One fakeroot for all of it: it alone remembers who owns the files.
        try:
            packages.unpack(names, folder, then=f". {HERE / 'guest/configure'}; {make_disk(folder, image)}")
        finally:
            remove(folder)

    return cached(
        f"root{'-mesa' if with_mesa else ''}.ext4",
        [RELEASE, *names, HERE / "packages.py", HERE / "images.py", HERE / "guest/configure"],
        make,
    )


def make_disk(folder, image):
    return shlex.join(["mke2fs", "-q", "-t", "ext4", "-d", str(folder), str(image), "2G"])


def machine(memory, steady):
    """QEMU's words for a machine whose kernel has `memory` MiB, and the GPU's registers behind them.

    If `steady`, each instruction takes it a nanosecond, however fast the host is, and no time is spent on sleeping.
    """
    ram = memory + 128
    gpu_address = RAM_START + (ram - 16) * 2**20
    command = ["qemu-system-aarch64", "-M", "virt,gic-version=2", "-cpu", "cortex-a57"]
    single = ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    command += single if steady else ["-accel", "tcg,thread=multi"]
    command += ["-smp", "2", "-m", str(ram), "-nodefaults", "-display", "none"]
    register_image = cached("registers.bin", [HERE / "registers.py"], lambda file: file.write_bytes(registers.image()))
    tree = cached(
        f"board-{memory}{'-steady' if steady else ''}.dtb",
        [HERE / "device_tree.py", *command, hex(gpu_address)],
        lambda blob: device_tree.make(command, gpu_address, blob),
    )
    return [
        *command,
        *("-dtb", tree),
        *("-device", f"loader,file={register_image},addr={gpu_address:#x},force-raw=on"),
    ]
