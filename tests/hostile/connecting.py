"""Animals whose connections are what is wrong with them."""

import os
import select
import signal
import socket
import time

import wire
from animal import animal
from asking import KIB, MIB


@animal(32)
def never_reads(den):
    """16 connections that ask for batch after batch and never read: the fds pile up in their sockets. Whoever is
    disconnected comes again."""
    clients = [None] * 16
    while True:
        for at, client in enumerate(clients):
            try:
                if client is None:
                    client = clients[at] = wire.Client(den.socket, "never reads")
                    client.socket.setblocking(False)
                for _ in range(8):
                    client.send(wire.alloc([4 * KIB] * wire.BATCH))
            except BlockingIOError:
                pass
            except OSError:
                clients[at] = None
        den.ready()
        time.sleep(0.05)


def leave_unread(den, sockets, fds_in_each):
    """Sockets with that many unread fds each, closed for writing: for the daemon they are gone, the fds are not."""
    kept = []
    for _ in range(sockets):
        try:
            client = wire.Client(den.socket, "half-closed")
            client.send(wire.alloc([4 * KIB] * fds_in_each))
            kept.append(client)
            if not select.select([client.socket], [], [], 1)[0]:
                break
            client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            # It has all that it will get.
            break
    return kept


@animal(32, seconds=60, idle=True)
def half_closed(den):
    """16 sockets with 64 unread fds each, closed halfway and kept: all that a user may have in flight, in the hands of
    nobody who is connected."""
    kept = leave_unread(den, 16, wire.BATCH)
    den.ready()
    time.sleep(3600)
    return kept


@animal(32, users=[0, 1, 2, 3], small_users=[0, 1], seconds=60)
def half_closed_many(den):
    """1,000 sockets closed halfway with an unread fd each, of each of four users, one of whom connects and leaves in a
    loop: each disconnection may have all of them looked at."""
    kept = leave_unread(den, den.count(1000, 200), 1)
    den.ready()
    if den.index > 0:
        time.sleep(3600)
    while True:
        for client in leave_unread(den, 4, 1):
            client.close()
    return kept


def mutated(random, packet):
    packet = bytearray(packet)
    for _ in range(random.randrange(1, 6)):
        kind = random.randrange(3)
        at = random.randrange(len(packet) or 1)
        if kind == 0 and packet:
            packet[at] = random.randrange(256)
        elif kind == 1:
            del packet[at:]
        else:
            packet[at:at] = random.randbytes(random.randrange(1, 40))
    return bytes(packet)


@animal(15)
def garbage(den):
    """Packets with a few bytes changed, empty and oversize ones, and fds that nobody asked for."""
    seeds = [
        wire.hello("garbage", table=True),
        wire.alloc([4 * KIB, 1 << 63, 0, (1 << 64) - 1], flags=7, timeout_ns=(1 << 64) - 1, extra=(1 << 32) - 1),
        wire.alloc([4 * KIB] * 3),
        wire.release([b"\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"]),
        wire.envelope(wire.LEASES_UNUSED),
        wire.envelope(wire.STATS, b"\x00" * 40),
    ]
    den.ready()
    while True:
        client = wire.Client(den.socket, name=None)
        client.socket.setblocking(False)
        try:
            if den.random.randrange(4):
                client.send(wire.hello("garbage"))
            for _ in range(den.random.randrange(1, 30)):
                kind = den.random.randrange(40)
                if kind == 0:
                    client.send(b"")
                elif kind == 1:
                    client.send(bytes(wire.PACKET_BYTES + den.random.randrange(1, 60000)))
                elif kind == 2:
                    number = den.random.choice([1, 64, 253])
                    socket.send_fds(client.socket, [seeds[2]], [client.socket.fileno()] * number)
                else:
                    client.send(mutated(den.random, den.random.choice(seeds)))
                if kind > 30:
                    client.socket.recv(wire.PACKET_BYTES)
        except OSError:
            pass
        client.close()


@animal(30)
def churn(den):
    """Connect, ask for 256 MiB, be gone before it is made: the one thread that makes large BOs makes them for nobody."""
    while True:
        client = wire.Client(den.socket, "churns")
        client.send(wire.alloc([256 * MIB] * 4))
        client.close()
        den.ready()


@animal(11)
def connects(den):
    """Connects and closes as fast as it can, some of the time with a Hello."""
    while True:
        client = wire.Client(den.socket, name=None)
        if den.random.randrange(2):
            client.send(wire.hello("connects"))
        client.close()
        den.ready()


@animal(11, users=[0] * 6, small_users=[0, 0])
def connects_by_many(den):
    """The same in six processes, none of which closes a connection before it has 300: the queue at the door is full of
    them."""
    while True:
        waiting = []
        for _ in range(den.count(300, 100)):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
            waiting.append(client)
            try:
                client.connect(den.socket)
            except BlockingIOError:
                break
        den.ready()
        for client in waiting:
            client.close()


@animal(32, users=[0] * 8, small_users=[0] * 3, idle=True)
def stopped(den):
    """Processes that are stopped (SIGSTOP) with requests under way and fds unread, and stay connected."""
    clients = [wire.Client(den.socket, "stopped") for _ in range(4)]
    for client in clients:
        for _ in range(8):
            client.send(wire.alloc([64 * KIB] * 16))
    den.ready()
    os.kill(os.getpid(), signal.SIGSTOP)


@animal(32)
def keeps_itself(den):
    """Sends its own socket to the daemon, behind 64 unread fds, and is disconnected for that. If the daemon kept its end
    as it is, the two would keep each other for ever, and the BOs with them, though nobody is there any more."""
    while True:
        client = wire.Client(den.socket, "keeps itself")
        client.send(wire.alloc([4 * KIB] * wire.BATCH))
        select.select([client.socket], [], [], 20)
        # More than one, so that there are some left behind the one that ends the connection.
        for _ in range(4):
            try:
                socket.send_fds(client.socket, [b"\x00"], [client.socket.fileno()])
                client.send(b"")
            except OSError:
                break
        client.close()
        den.ready()
        time.sleep(0.1)
