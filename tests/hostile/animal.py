"""What an animal is: a function that runs in a process of its own, as a user of its own, for as long as it is let.

It gets a Den, says den.ready() once what it wants to have is set up, and goes on. Where the daemon hangs up on it, it
starts over.
"""

import dataclasses
import random
import sys
import time
from typing import Callable

import people


@dataclasses.dataclass
class Animal:
    name: str
    function: Callable
    # One process for each entry: the number of its user. Number 0 is the user that has an honest client as well.
    users: list
    small_users: list
    # How long it may take to set itself up.
    seconds: float
    # The line of docs/reliability.md that it belongs to.
    fault: int
    # Once it is set up it asks for next to nothing, so whatever the daemon does is for others.
    idle: bool

    @property
    def test(self):
        return f"fault_{self.fault:02}_{self.name}"

    @property
    def description(self):
        return " ".join(self.function.__doc__.split())


ALL = {}


def animal(fault, users=(0,), small_users=None, seconds=30, idle=False):
    def register(function):
        name = function.__name__.replace("_", "-")
        ALL[name] = Animal(name, function, list(users), list(small_users or users), seconds, fault, idle)
        return function

    return register


@dataclasses.dataclass
class Den:
    """Where an animal lives."""

    socket: str
    # Which of the animal's processes this is.
    index: int
    # The short form: as many of everything as show the behaviour.
    small: bool
    # The daemon's limit for all BOs, in bytes, and how many fds a process may have here.
    total_max: int
    fd_limit: int
    say_ready: Callable
    told: bool = False

    def __post_init__(self):
        self.random = random.Random(self.index)

    def count(self, full, small):
        return small if self.small else full

    def bos(self, full, small, share=0.9):
        """As many BOs as that, or as the simulated device can make: each costs it two fds."""
        return min(self.count(full, small), int((self.fd_limit - 2500) / 2 * share))

    def ready(self):
        if not self.told:
            self.told = True
            self.say_ready()


def processes(name, small, daemon):
    """What people.working() starts."""
    kind = ALL[name]
    total_max = int(daemon.config["total.max"])
    fd_limit = people.raise_fd_limit()

    def life(index):
        def live(say_ready):
            den = Den(daemon.socket, index, small, total_max, fd_limit, say_ready)
            while True:
                try:
                    kind.function(den)
                except OSError as error:
                    print(f"{name} {index}: {error}", file=sys.stderr, flush=True)
                    time.sleep(0.02)

        return live

    users = kind.small_users if small else kind.users
    return [(life(index), people.animal_uid(user)) for index, user in enumerate(users)]
