#!/usr/bin/env python3
"""What panbod.service does to panbod before it runs, without systemd: its system calls, user, capabilities and mounts.

    sandboxed.py --suite PROGRAM [ARGUMENT...]   runs a suite whose panbods are all started in that way
    sandboxed.py PANBOD [ARGUMENT...]            becomes a panbod in the sandbox (PANBO_TEST_WRAPPER)

The settings are read from the unit. One that is in neither of the lists below is an error, so that nobody adds one which
this does not know. Status 77: what it needs is not here.
"""
import ctypes
import ctypes.util
import os
import resource
import shutil
import subprocess
import sys

UNIT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../systemd/panbod.service")
# A user who is nobody's.
USER = 64990

# What is about other things than what the process may do, or has no meaning without systemd and its sockets.
ELSEWHERE = {
    "Type", "ExecStart", "Sockets", "Restart", "RestartSec", "RestartPreventExitStatus", "WatchdogSec", "OOMScoreAdjust",
    "MemoryMax", "MemoryHigh", "PrivateUsers", "SystemCallErrorNumber", "SystemCallArchitectures", "TimeoutStartSec",
    "UMask", "KeyringMode", "RemoveIPC", "StandardError", "StandardOutput",
    # Of the device cgroup: without a GPU the daemon opens no device but /dev/null.
    "DevicePolicy", "DeviceAllow",
    # Of the filter for packets: the network namespace has nothing to filter.
    "IPAddressDeny",
}
# What follows from having no capabilities, from the filter of system calls, or from the mounts below.
IMPLIED = {
    "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
    "ProtectControlGroups", "PrivateMounts", "LockPersonality", "RestrictRealtime", "RestrictSUIDSGID", "AmbientCapabilities",
    "ProcSubset", "PrivateTmp",
}
DONE = {
    "User", "LimitNOFILE", "ProtectProc", "ProtectSystem", "ProtectHome", "PrivateNetwork", "RestrictAddressFamilies",
    "CapabilityBoundingSet", "NoNewPrivileges", "MemoryDenyWriteExecute", "RestrictNamespaces", "SystemCallFilter",
}

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
NAMESPACES = 0x7E020080
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 1, 4096, 16384, 1 << 18
AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY, SYS_MOUNT_SETATTR = -100, 0x8000, 1, 442
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP = 38, 24


def unit():
    settings = {}
    with open(UNIT, encoding="utf-8") as lines:
        section = None
        for line in lines:
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[Service]" and line and line[0] not in "#;":
                key, value = line.split("=", 1)
                settings.setdefault(key, []).append(value)
    unknown = set(settings) - ELSEWHERE - IMPLIED - DONE
    if unknown:
        sys.exit(f"sandboxed.py does not know what panbod.service sets: {', '.join(sorted(unknown))}")
    return settings


def check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(source, target, kind=None, flags=0, data=None):
    def text(s):
        return None if s is None else s.encode()

    check(libc.mount(text(source), text(target), text(kind), ctypes.c_ulong(flags), text(data)), f"mount {target}")


class MountAttr(ctypes.Structure):
    _fields_ = [("set", ctypes.c_uint64), ("clear", ctypes.c_uint64), ("propagation", ctypes.c_uint64), ("userns", ctypes.c_uint64)]


def set_read_only(path, yes):
    attr = MountAttr(set=MOUNT_ATTR_RDONLY if yes else 0, clear=0 if yes else MOUNT_ATTR_RDONLY)
    check(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE if yes else 0, ctypes.byref(attr),
                       ctypes.c_size_t(ctypes.sizeof(attr))), f"mount_setattr {path}")


def own_file_system(directory):
    """ProtectSystem=strict, ProtectHome=yes, ProtectProc=invisible. The tests' sockets stay where they are."""
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    mount(directory, directory, flags=MS_BIND)
    set_read_only("/", True)
    set_read_only(directory, False)
    mount("proc", "/proc", "proc", data="hidepid=invisible")
    for home in ("/home", "/root"):
        mount("none", home, "tmpfs", data="mode=000")


class Arg(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


EQUAL, MASKED_EQUAL = 4, 7
ALLOW = 0x7FFF0000


def errno_action(number):
    return 0x00050000 | number


class Filter:
    """SystemCallFilter= and what else systemd does by seccomp."""

    def __init__(self):
        self.lib = ctypes.CDLL("libseccomp.so.2")
        self.lib.seccomp_init.restype = ctypes.c_void_p
        self.context = ctypes.c_void_p(self.lib.seccomp_init(ctypes.c_uint32(errno_action(1))))

    def add(self, action, name, *args):
        number = self.lib.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            return
        array = (Arg * len(args))(*args)
        result = self.lib.seccomp_rule_add_array(self.context, ctypes.c_uint32(action), number, len(args), array)
        if result < 0:
            raise OSError(-result, f"{name}: {os.strerror(-result)}")

    def load(self):
        result = self.lib.seccomp_load(self.context)
        if result < 0:
            raise OSError(-result, "seccomp_load")


def system_calls(words):
    """The names behind names and @groups."""
    names = set()
    for word in words:
        if not word.startswith("@"):
            names.add(word)
            continue
        listing = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", word], check=True, capture_output=True, text=True)
        lines = [line.strip() for line in listing.stdout.splitlines()]
        members = [line for line in lines if line and not line.startswith("#") and line != word]
        names |= system_calls(members)
    return names


def allowed(lines):
    names = set()
    for line in lines:
        if line.startswith("~"):
            names -= system_calls(line[1:].split())
        else:
            names |= system_calls(line.split())
    return names


def make_filter(settings):
    calls = Filter()
    by_argument = {"socket", "mmap", "mprotect", "pkey_mprotect", "shmat", "clone", "clone3", "unshare", "setns"}
    names = allowed(settings["SystemCallFilter"])
    # They come before every filter: without them there would be no program.
    names |= {"execve", "execveat", "exit", "exit_group", "rt_sigreturn", "brk"}
    for name in names - by_argument:
        calls.add(ALLOW, name)
    assert settings["RestrictAddressFamilies"] == ["AF_UNIX"]
    calls.add(ALLOW, "socket", Arg(0, EQUAL, 1, 0))
    # Memory is written or executed, not both, and does not become executable.
    for protection in (0, 2, 4):
        calls.add(ALLOW, "mmap", Arg(2, MASKED_EQUAL, 6, protection))
    calls.add(ALLOW, "mprotect", Arg(2, MASKED_EQUAL, 4, 0))
    calls.add(ALLOW, "pkey_mprotect", Arg(2, MASKED_EQUAL, 4, 0))
    calls.add(ALLOW, "clone", Arg(0, MASKED_EQUAL, NAMESPACES, 0))
    # Its flags are in memory, where no filter sees them: the C library then takes clone.
    calls.add(errno_action(38), "clone3")
    return calls


def become_panbod(command):
    settings = unit()
    calls = make_filter(settings)
    directory = os.path.dirname(command[command.index("--socket") + 1])
    program = os.open(command[0], os.O_PATH | os.O_CLOEXEC)
    os.chown(directory, USER, USER)
    own_file_system(directory)
    wanted = int(settings["LimitNOFILE"][0])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    assert settings["CapabilityBoundingSet"] == [""]
    for capability in range(64):
        if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.umask(0o077)
    # A test's daemon ends with it.
    check(libc.prctl(1, 15, 0, 0, 0), "prctl")
    check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    calls.load()
    os.execve(program, command, os.environ)


def missing():
    if os.geteuid() != 0:
        return "root, who can be another user"
    if shutil.which("systemd-analyze") is None:
        return "systemd-analyze, which knows the groups of system calls"
    if ctypes.util.find_library("seccomp") is None and not os.path.exists("/usr/lib/x86_64-linux-gnu/libseccomp.so.2"):
        return "libseccomp.so.2"
    return None


def main(arguments):
    if arguments[0] != "--suite":
        become_panbod(arguments)
    lacking = missing()
    if lacking:
        print(f"NOT TESTED: it needs {lacking}", file=sys.stderr)
        sys.exit(77)
    os.environ["PANBO_TEST_WRAPPER"] = os.path.realpath(__file__)
    os.execv(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
