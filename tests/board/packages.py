"""arm64 packages from the Debian mirror that the host is configured for, unpacked and never installed.

An apt with state of its own does it, so that the host's dpkg does not learn of a second architecture. None of the
packages' scripts run: nothing that is made of them needs root, and no arm64 program runs on the host.
"""

import functools
import os
import re

from host import CACHE, PACKAGES, RELEASE, BoardError, run

APT = CACHE / "apt"

CONFIG = f"""
Dir::State "{APT}/state";
Dir::State::status "{APT}/status";
Dir::Cache "{APT}/cache";
Dir::Etc::sourcelist "{APT}/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "";
Binary::apt-get::APT::Keep-Downloaded-Packages "true";
"""


def apt(program, *words, **options):
    return run(program, *words, env={**os.environ, "APT_CONFIG": str(APT / "apt.conf")}, **options)


@functools.cache
def update():
    """Once in a run, and only if something has to be made."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (APT / folder).mkdir(parents=True, exist_ok=True)
    (APT / "status").touch()
    (APT / "apt.conf").write_text(CONFIG)
    line = f"deb [signed-by={PACKAGES['debian-archive-keyring']}] $(REPO_URI) $(RELEASE) $(COMPONENT)"
    mirrors = set(run("apt-get", "indextargets", "--format", line, "Created-By: Packages", "Origin: Debian").splitlines())
    if not mirrors:
        raise BoardError("apt knows no Debian mirror. Configure one in /etc/apt, then: apt-get update")
    # Debian 12 has the older of the kernels. Of other packages apt takes the newest, so those of the host's release.
    mirrors |= {re.sub(rf" {RELEASE}(-security)? ", r" bookworm\1 ", mirror) for mirror in mirrors}
    (APT / "sources.list").write_text("\n".join(sorted(mirrors)) + "\n")
    apt("apt-get", "update", "--error-on=any")


def newest_kernel(series):
    """The name of the newest kernel package of a series such as "6.1"."""
    update()
    pattern = rf"^linux-image-{re.escape(series)}\.[0-9][^-]*(-[0-9]+)?-arm64-unsigned$"
    names = [line.split()[0] for line in apt("apt-cache", "search", "--names-only", pattern).splitlines()]
    if not names:
        raise BoardError(f"the Debian mirror has no {series} kernel for arm64")
    return max(names, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def offered(name):
    """Of A|B the first that apt has: some packages are called otherwise in the next release."""
    names = name.split("|")
    known = apt("apt-cache", "madison", *names).split()
    return next((each for each in names if each in known), name)


def unpack(names, folder, dependencies=True, then=":"):
    """Unpacks packages, with all that they depend on, into a folder with Debian's merged /usr.

    `then` is a shell command that runs with $folder set and sees the files belong to whom they should, root mostly.
    """
    update()
    names = [offered(name) for name in names]
    archives = APT / "cache/archives"
    get = ["install", "--yes", "--download-only"] if dependencies else ["download"]
    # From elsewhere, as apt does not name what it has already.
    needed = apt("apt-get", *get, "--print-uris", "-o", "Dir::Cache::archives=/nonexistent/", *names, cwd="/")
    apt("apt-get", *get, *names, cwd=archives)
    for link in ("bin", "lib", "sbin"):
        (folder / "usr" / link).mkdir(parents=True, exist_ok=True)
        (folder / link).symlink_to(f"usr/{link}")
    # dpkg -x would replace those links by folders.
    extract = 'for deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$folder"; done'
    debs = [line.split()[1] for line in needed.splitlines() if line.startswith("'")]
    environment = {**os.environ, "folder": str(folder)}
    run("fakeroot", "sh", "-c", f"set -e; {extract}; {then}", "sh", *debs, cwd=archives, env=environment)
