"""A sample of what a collection holds, spread over its documents, in bounded memory and the same for a seed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Generic, TypeVar

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

Priority = tuple[int, int]
"""The how manieth of its document something is, from 0 in a random order, and a random number; smaller is better."""

SLOTS = 1 << 24
"""Bytes; a million keys leave fifteen of sixteen keys a slot of their own."""


def random_number(seed: int, *names: str) -> int:
    """A number of 64 bits that only depends on the arguments, and looks as if it did not."""
    text = "\0".join((str(seed), *names))
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "big")


def prioritised(items: Iterable[T], seed: int, name: Callable[[T], str]) -> Iterator[tuple[Priority, T]]:
    """The items of one document, in a random order that depends on the seed and their names."""
    ordered = sorted((random_number(seed, name(item)), place, item) for place, item in enumerate(items))
    for level, (number, _, item) in enumerate(ordered):
        yield (level, number), item


class Reservoir(Generic[T]):
    """Keeps the items of the smallest priorities, so that which they are does not depend on the order they come in."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: list[tuple[Priority, T]] = []

    def add(self, priority: Priority, item: T) -> None:
        """Keep an item, if there are not better ones enough."""
        self._kept.append((priority, item))
        if len(self._kept) >= 2 * self._room + 1_000:
            self._cut()

    def items(self) -> list[tuple[Priority, T]]:
        """What was kept, best first."""
        self._cut()
        return self._kept

    def _cut(self) -> None:
        self._kept.sort(key=lambda kept: kept[0])
        del self._kept[self._room :]


class Sightings:
    """Which keys were met exactly once, among any number of them, in `SLOTS` bytes.

    Two keys can fall on the same slot, and then count as met twice: whoever drops what is not unique drops a few too
    many, and never keeps one that is not.
    """

    def __init__(self) -> None:
        self._slots = bytearray(SLOTS)

    def add(self, key: int) -> None:
        """Note that a key was met."""
        slot = key % SLOTS
        self._slots[slot] = min(self._slots[slot] + 1, 2)

    def is_single(self, key: int) -> bool:
        """Whether a key was met once."""
        return self._slots[key % SLOTS] == 1


def shares(count: int, available: Mapping[K, int]) -> dict[K, int]:
    """How many to take of each kind: as many of the one as of the other, and more where another has not enough."""
    taken = dict.fromkeys(available, 0)
    left = count
    while left and (unspent := [kind for kind, most in available.items() if taken[kind] < most]):
        each = max(1, left // len(unspent))
        for kind in unspent:
            more = min(each, available[kind] - taken[kind], left)
            taken[kind] += more
            left -= more
    return taken


def spread(
    items: Sequence[tuple[Priority, T]], count: int, *, document: Callable[[T], str], used: Counter[str]
) -> list[T]:
    """The `count` best, of the documents that were used least before; `used` counts them on."""
    heap = [(used[document(item)], priority, place) for place, (priority, item) in enumerate(items)]
    heapq.heapify(heap)
    chosen: list[T] = []
    while heap and len(chosen) < count:
        times, priority, place = heapq.heappop(heap)
        item = items[place][1]
        if used[document(item)] != times:
            heapq.heappush(heap, (used[document(item)], priority, place))
            continue
        used[document(item)] += 1
        chosen.append(item)
    return chosen
