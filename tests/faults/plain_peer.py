#!/usr/bin/env python3
"""A peer of panbod in plain Python: nothing of panbo.proto's generated code, nothing of the daemon's socket code.

    plain_peer.py PART SOCKET

runs one part against a daemon. Its status is 0 if the daemon did as docs/protocol.md says.
"""
import array
import os
import random
import socket
import sys

LARGEST_PACKET = 16 * 1024
MAX = 2**64 - 1
HELLO, ALLOC, RELEASE, LEASES_UNUSED, WELCOME, GRANTED, FAILURE = 2, 3, 4, 5, 16, 17, 18
INVALID_ARGUMENT, PROTOCOL, NOT_SUPPORTED = 1, 7, 8


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def number(field, n):
    return varint(field << 3) + varint(n)


def text(field, content):
    return varint(field << 3 | 2) + varint(len(content)) + content


def fields_of(data):
    """The fields of a message as pairs, numbers and texts."""
    at = 0

    def take():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = take()
        if key & 7 == 0:
            yield key >> 3, take()
        elif key & 7 == 2:
            size = take()
            yield key >> 3, data[at : at + size]
            at += size
        else:
            raise ValueError("the daemon sent a wire type that panbo.proto does not have")


class Gone(Exception):
    """The daemon has ended the connection."""


class Peer:
    def __init__(self, path, greet=True):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(60)
        self.socket.connect(path)
        if greet:
            self.send(text(HELLO, number(1, 1) + text(2, b"plain")))
            kind, _, _, _ = self.receive()
            assert kind == WELCOME, kind

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, packet, fds=()):
        try:
            control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            self.socket.sendmsg([packet], control)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Gone from error

    def receive(self):
        """Which message it is, its fields, the request id, and its fds, which are the caller's to close."""
        try:
            packet, control, flags, _ = self.socket.recvmsg(LARGEST_PACKET, socket.CMSG_SPACE(4 * 253))
        except ConnectionResetError as error:
            raise Gone from error
        fds = array.array("i")
        for _, _, data in control:
            fds.frombytes(data)
        if not packet:
            raise Gone
        assert flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) == 0
        request, kind, body = 0, 0, b""
        for field, value in fields_of(packet):
            if field == 1:
                request = value
            else:
                kind, body = field, value
        return kind, list(fields_of(body)), request, list(fds)

    def ask(self, body):
        self.send(number(1, 5) + body)
        while True:
            answer = self.receive()
            if answer[2] == 5:
                return answer

    def expect_end(self):
        try:
            while True:
                for fd in self.receive()[3]:
                    os.close(fd)
        except Gone:
            pass


def alloc(*items):
    return text(ALLOC, b"".join(text(1, item) for item in items))


def code(answer):
    kind, fields, _, _ = answer
    return dict(fields).get(1) if kind == FAILURE else None


def grants(path):
    """Each fd is that of its grant, whatever fails beside it."""
    randomness = random.Random(1)
    came = 0
    with Peer(path) as peer:
        for _ in range(200):
            sizes = [4096 * randomness.randint(1, 40) for _ in range(randomness.randint(1, 6))]
            kind, fields, _, fds = peer.ask(alloc(*(number(1, size) for size in sizes)))
            if kind != GRANTED:
                continue
            assert len(fields) == len(fds) == len(sizes)
            release = b""
            for size, (_, grant), fd in zip(sizes, fields, fds):
                grant = dict(fields_of(grant))
                status = os.fstat(fd)
                os.close(fd)
                assert status.st_ino == grant[3] and status.st_size == grant[2] >= size
                release += number(1, grant[1])
                came += 1
            peer.send(text(RELEASE, release))
    assert came > 0


def fds(path):
    """253 fds pass the kernel, and end the connection; with one more the kernel sends nothing."""
    for count in (1, 64, 253):
        with Peer(path) as peer:
            peer.send(number(1, 5) + alloc(number(1, 4096)), [peer.socket.fileno()] * count)
            peer.expect_end()
    with Peer(path) as peer:
        try:
            peer.send(b"x", [peer.socket.fileno()] * 254)
            raise AssertionError("the kernel has passed 254 fds")
        except OSError:
            pass
        assert peer.ask(alloc(number(1, 4096)))[0] == GRANTED, "nothing has happened to this connection"


def end_or_answer(path, packet):
    """Anything may be answered, or end the connection. What it may not do is leave the daemon silent."""
    with Peer(path) as peer:
        try:
            peer.send(packet)
            kind, _, _, fds = peer.ask(number(1000, 0))
            for fd in fds:
                os.close(fd)
            return kind
        except Gone:
            return None


def every_message():
    """A valid one of each kind that there is, on whichever socket it belongs."""
    yield number(1, 9) + text(HELLO, number(1, 1) + text(2, b"name") + number(3, 1))
    yield number(1, 9) + text(ALLOC, text(1, number(1, 4096) + number(2, 4) + text(3, b"label") + number(4, 2)) + number(2, 1000))
    yield number(1, 9) + text(RELEASE, number(1, 1) + number(1, 2**63))
    yield number(1, 9) + text(LEASES_UNUSED, b"")
    for admin in (32, 33, 36, 37):
        yield number(1, 9) + text(admin, b"")
    yield number(1, 9) + text(34, number(1, 1))
    yield number(1, 9) + text(35, text(1, number(1, 77) + number(2, 5) + number(3, 1)))


def truncated(path):
    """Every message, cut after every byte, and with every byte changed."""
    for message in every_message():
        for at in range(1, len(message)):
            end_or_answer(path, message[:at])
            for change in (1, 128, 255):
                end_or_answer(path, message[:at] + bytes([message[at] ^ change]) + message[at + 1 :])


def garbage(path):
    randomness = random.Random(2)
    for _ in range(500):
        end_or_answer(path, randomness.randbytes(randomness.choice((1, 2, 17, 300, LARGEST_PACKET))))
    # A text that claims to be as long as can be said, and groups, which proto3 does not have.
    for packet in (varint(ALLOC << 3 | 2) + varint(MAX), varint(ALLOC << 3 | 2) + varint(2**31), b"\x1b" * 5000, b"\x0b\x0c",
                   b"\x80" * 11, text(ALLOC, text(1, text(1, text(1, b""))))):
        end_or_answer(path, packet)
    # Nested as deeply as a packet can be.
    nested = b""
    while len(nested) < LARGEST_PACKET - 8:
        nested = text(1, nested)
    end_or_answer(path, nested)


def numbers(path):
    """Every number there is at its ends, in every field of its own and in those that nobody knows."""
    ends = (0, 1, MAX, MAX - 1, 2**63, 2**63 - 1, 2**32, 2**32 - 1, 2**31, 2**31 - 1)
    with Peer(path) as peer:
        for n in ends:
            # As size, flags, extra, and timeout, with which nothing waits, since all is there.
            for item in (number(1, n), number(1, 4096) + number(2, n), number(1, 4096) + number(4, n)):
                kind, fields, request, fds = peer.ask(alloc(item))
                assert kind in (GRANTED, FAILURE) and request == 5
                if kind == GRANTED:
                    assert 0 < len(fields) == len(fds)
                    peer.send(text(RELEASE, b"".join(number(1, dict(fields_of(grant))[1]) for _, grant in fields)))
                for fd in fds:
                    os.close(fd)
            kind, fields, _, fds = peer.ask(text(ALLOC, text(1, number(1, 4096)) + number(2, n)))
            assert kind == GRANTED
            peer.send(text(RELEASE, number(1, dict(fields_of(fields[0][1]))[1])))
            os.close(fds[0])
            # As a lease that is not there, as a request id, and where nobody expects a number.
            assert code(peer.ask(text(RELEASE, number(1, n)))) == 6
            peer.send(number(1, n) + alloc(number(1, 0)))
            assert peer.receive()[2] == n & MAX or n == 0
            assert code(peer.ask(text(1000, number(1, n)))) == NOT_SUPPORTED
            assert code(peer.ask(alloc(number(1, 0) + number(999, n) + text(998, varint(n))))) == INVALID_ARGUMENT
        assert code(peer.ask(alloc(number(1, 4096) + number(2, 2**32)))) in (None, INVALID_ARGUMENT)
    for n in ends:
        with Peer(path, greet=False) as peer:
            try:
                kind = peer.ask(text(HELLO, number(1, n) + number(3, n)))[0]
                assert kind in (WELCOME, FAILURE)
            except Gone:
                pass


def shutdown(path):
    """Half of a connection closed, either half, with everything in between unread."""
    for how in (socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR, None):
        for count in (0, 1, 30):
            with Peer(path) as peer:
                try:
                    for _ in range(count):
                        peer.send(number(1, 5) + alloc(*[number(1, 4096)] * 4))
                    if how is not None:
                        peer.socket.shutdown(how)
                    # What the daemon says to that is read by nobody.
                    for _ in range(count):
                        peer.send(number(1, 5) + alloc(number(1, 0)))
                except Gone:
                    pass


if __name__ == "__main__":
    PARTS = {part.__name__: part for part in (grants, fds, truncated, garbage, numbers, shutdown)}
    PARTS[sys.argv[1]](sys.argv[2])
