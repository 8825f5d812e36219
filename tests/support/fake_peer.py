"""A tiny peer, in a process of its own."""

import os

from bench.peers.protocol import serve


def double(count: int) -> float:
    return count * 2


def chatter(count: int) -> float:
    print("a line that is no answer")  # noqa: T201 - what is tested
    os.write(1, b"nor is this\n")
    return count


def fail(count: int) -> float:
    raise ValueError("it does not work")


def die(count: int) -> float:
    os._exit(3)


if __name__ == "__main__":
    serve("pytest", {"double": double, "chatter": chatter, "fail": fail, "die": die})
