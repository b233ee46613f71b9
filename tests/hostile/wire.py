"""proto/panbo.proto by hand: varints, length-delimited fields, and a client that speaks it.

Nothing here comes from the project's own code, so a mistake that daemon and library share is not shared by the zoo.
"""

import mmap
import re
import socket

REQUEST_ID = 1
HELLO, ALLOC, RELEASE, LEASES_UNUSED = 2, 3, 4, 5
WELCOME, GRANTED, FAILURE, PRESSURE_EVENT = 16, 17, 18, 19
GET_STATS, EVICT, GET_CONFIG = 32, 34, 36
STATS, EVICTED, CONFIG = 48, 50, 52

EXECUTABLE, HEAP, ZEROED = 1, 2, 4

PACKET_BYTES = 16 * 1024
BATCH = 64
RELEASES = 256
TABLE_WORDS = 4096
IN_USE, UNUSED, TAKEN = 0, 1, 2


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number, value):
    """A varint field for an int, a length-delimited one for bytes or str."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def envelope(body, content=b"", request=0):
    return (field(REQUEST_ID, request) if request else b"") + field(body, content)


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7


def fields(data):
    """All fields of a message, as pairs of number and value."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = read_varint(data, at)
        elif kind == 2:
            size, at = read_varint(data, at)
            value, at = data[at : at + size], at + size
        else:
            size = 8 if kind == 1 else 4
            value, at = data[at : at + size], at + size
        yield key >> 3, value


def hello(name, table=False):
    return envelope(HELLO, field(1, 1) + field(2, name) + (field(3, 1) if table else b""), 1)


def alloc(sizes, flags=0, timeout_ns=0, extra=0, request=1):
    content = b""
    for size in sizes:
        item = field(1, size)
        if flags:
            item += field(2, flags)
        if extra:
            item += field(4, extra)
        content += field(1, item)
    if timeout_ns:
        content += field(2, timeout_ns)
    return envelope(ALLOC, content, request)


def release(lease_varints):
    """Of leases as lease_varints() gives them, at most RELEASES."""
    return envelope(RELEASE, field(1, b"".join(lease_varints)))


# A Grant of less than 128 bytes whose first two fields are its lease and its size, which is how protobuf writes them.
GRANT = re.compile(rb"\x0a[\x00-\x7f]\x08([\x80-\xff]{0,9}[\x00-\x7f])\x10")


def lease_varints(packet):
    """The leases of a Granted packet, each as the varint that a Release contains: found without decoding the rest,
    so that an animal spends its time on the daemon."""
    return GRANT.findall(packet)


class Client:
    """One connection. Fds are dropped by the kernel when they arrive unless somebody asks for them, which is the
    cheapest way to have read a packet."""

    def __init__(self, path, name="animal", table=False, timeout=30):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(timeout)
        self.socket.connect(path)
        self.words = None
        if name is not None:
            self.greet(name, table)

    def greet(self, name, table=False):
        self.send(hello(name, table))
        packet, fds = self.receive(with_fds=True)
        for fd in fds[:1]:
            self.words = memoryview(mmap.mmap(fd, TABLE_WORDS * 4)).cast("I")
        for fd in fds:
            socket.close(fd)
        return packet

    def send(self, packet):
        self.socket.send(packet)

    def receive(self, with_fds=False):
        """The next packet that is not an event, and its fds."""
        while True:
            if with_fds:
                packet, fds, _, _ = socket.recv_fds(self.socket, PACKET_BYTES, BATCH)
            else:
                packet, fds = self.socket.recv(PACKET_BYTES), []
            if not packet:
                raise ConnectionResetError("the daemon hung up")
            if packet[0] == REQUEST_ID << 3:
                return packet, fds

    def take(self, sizes, flags=0, timeout_ns=0, extra=0, with_fds=False):
        """Asks and reads the answer. Returns the leases as varints (none: it failed), the packet and the fds."""
        self.send(alloc(sizes, flags, timeout_ns, extra))
        packet, fds = self.receive(with_fds)
        return lease_varints(packet), packet, fds

    def give_back(self, leases):
        for at in range(0, len(leases), RELEASES):
            self.send(release(leases[at : at + RELEASES]))

    def close(self):
        self.socket.close()


def body_of(packet):
    """The number of an envelope's body, and its content."""
    for number, value in fields(packet):
        if number != REQUEST_ID:
            return number, value
    return 0, b""


def slots(packet):
    """The slots in the lease table of a Granted's leases."""
    _, granted = body_of(packet)
    return [dict(fields(grant)).get(5, 0) for number, grant in fields(granted) if number == 1]


def next_unused(word):
    """The word of a lease that is freed now (lease_table.h)."""
    return ((word & ~3) + 4 & 0xFFFFFFFF) | UNUSED


class Admin:
    """What an administrator asks."""

    def __init__(self, path):
        self.client = Client(path, name=None)

    def ask(self, body, content=b""):
        self.client.send(envelope(body, content, 1))
        return body_of(self.client.receive()[0])[1]

    def stats(self):
        """How many BOs are in which state."""
        found = dict(fields(self.ask(GET_STATS)))
        states = {"leased": 5, "draining": 6, "held": 7, "ready": 8}
        return {name: dict(fields(found.get(number, b""))).get(1, 0) for name, number in states.items()}

    def evict_all(self):
        self.ask(EVICT, field(1, 1))

    def config(self):
        found, more = {}, True
        self.client.send(envelope(GET_CONFIG, b"", 1))
        while more:
            _, content = body_of(self.client.receive()[0])
            more = False
            for number, value in fields(content):
                if number == 1:
                    setting = dict(fields(value))
                    found[setting[1].decode()] = setting.get(2, b"").decode()
                else:
                    more = bool(value)
        return found
