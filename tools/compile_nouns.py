"""Make ``nouns-v1.npz``: WordNet's nouns with their ancestors, and where ImageNet's classes are.

Two inputs, neither part of this project:

- WordNet 3.0's database files (``data.noun``, ``index.noun``, ``noun.exc``, ``cntlist.rev``), as in
  Debian's package ``wordnet-base`` (apt-get download wordnet-base; dpkg-deb -x wordnet-base*.deb
  wn)
- the 1,000 classes in the order of ImageNet's heads, one id a line (``n01440764``), as in the wheel
  of timm (Apache-2.0): ``timm/data/_info/imagenet_synsets.txt``. Such an id is the letter of the
  part of speech and the offset of a synset in WordNet 3.0's ``data.noun``, so nothing is guessed.

Kept are the noun synsets that are kinds (not instances, such as cities and authors), their words in
lower case, how often each sense was tagged in WordNet's corpus, and irregular plurals. Glosses are
left out.

    python tools/compile_nouns.py wn/usr/share/wordnet imagenet_synsets.txt \
        src/naturalist/studies/words/data/nouns-v1.npz
"""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

PHYSICAL = 1930
"""Offset of the synset "physical entity"."""


class Synset(NamedTuple):
    words: list[str]
    parents: list[int]
    instance: bool


def main() -> None:
    wordnet, classes, target = (Path(argument) for argument in sys.argv[1:4])
    synsets = dict(read_synsets(wordnet / "data.noun"))
    kinds = sorted(offset for offset, one in synsets.items() if not one.instance)
    place = {offset: k for k, offset in enumerate(kinds)}
    senses = read_senses(wordnet / "index.noun", read_counts(wordnet / "cntlist.rev"), place)
    words = sorted(senses)
    number = {word: k for k, word in enumerate(words)}
    parents = [[place[p] for p in synsets[offset].parents if p in place] for offset in kinds]
    ids = [int(line[1:]) for line in classes.read_text("ascii").split()]
    plurals = [line.split() for line in (wordnet / "noun.exc").read_text("ascii").splitlines()]
    plurals = sorted((plural, one) for plural, one, *_ in plurals if one in number)
    np.savez_compressed(
        target,
        words=np.frombuffer("\n".join(words).encode(), np.uint8),
        sense_starts=starts([senses[word] for word in words]),
        senses=np.array([s for word in words for s, _ in senses[word]], np.uint32),
        counts=np.array([c for word in words for _, c in senses[word]], np.uint16),
        names=np.array([number[spelt(synsets[o].words[0])] for o in kinds], np.uint32),
        parent_starts=starts(parents),
        parents=np.array([p for own in parents for p in own], np.uint32),
        physical=np.packbits(below(place[PHYSICAL], parents)),
        classes=np.array([place[offset] for offset in ids], np.uint32),
        plurals=np.frombuffer("\n".join(f"{a} {b}" for a, b in plurals).encode(), np.uint8),
    )
    print(f"{len(kinds):,} synsets, {len(words):,} words, {target.stat().st_size / 1e6:.2f} MB")


def read_synsets(path: Path) -> Iterator[tuple[int, Synset]]:
    """Format: wndb(5WN)."""
    for line in path.read_text("latin-1").splitlines():
        if line.startswith("  "):  # the licence
            continue
        fields = line.partition(" | ")[0].split()
        count = int(fields[3], 16)
        words = fields[4 : 4 + 2 * count : 2]
        rest = fields[4 + 2 * count :]
        pointers = [rest[1 + 4 * k : 5 + 4 * k] for k in range(int(rest[0]))]
        parents = [int(target) for symbol, target, *_ in pointers if symbol == "@"]
        instance = any(symbol == "@i" for symbol, *_ in pointers)
        yield int(fields[0]), Synset(words, parents, instance)


def read_counts(path: Path) -> dict[tuple[str, int], int]:
    """How often each noun sense (word and number) was tagged."""
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for line in path.read_text("ascii").splitlines():
        key, sense, count = line.split()
        word, _, rest = key.partition("%")
        if rest.startswith("1:"):
            counts[word, int(sense)] += int(count)
    return counts


def read_senses(
    path: Path, counts: dict[tuple[str, int], int], place: dict[int, int]
) -> dict[str, list[tuple[int, int]]]:
    """For each word its synsets, the most frequent first, and how often each was tagged."""
    senses: dict[str, list[tuple[int, int]]] = {}
    for line in path.read_text("ascii").splitlines():
        if line.startswith("  "):
            continue
        fields = line.split()
        offsets = [int(field) for field in fields[-int(fields[2]) :]]
        found = [
            (place[offset], min(counts.get((fields[0], n), 0), 65535))
            for n, offset in enumerate(offsets, 1)
            if offset in place
        ]
        if found:
            senses[spelt(fields[0])] = found
    return senses


def spelt(word: str) -> str:
    return word.lower().replace("_", " ")


def starts(lists: list[list]) -> np.ndarray:
    return np.cumsum([0, *map(len, lists)]).astype(np.uint32)


def below(top: int, parents: list[list[int]]) -> np.ndarray:
    found = np.zeros(len(parents), bool)
    found[top] = True
    while True:
        more = np.array([any(found[p] for p in own) for own in parents]) & ~found
        if not more.any():
            return found
        found |= more


if __name__ == "__main__":
    main()
