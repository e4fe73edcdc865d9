"""A vocabulary as arrays in which the longest pieces at any places of a text are found in a few steps, all at once.

The pieces make a trie. It is not walked character by character: from the root the walk tries a step of 16 characters,
then of 8, 4, 2 and 1 (of as many as the longest piece needs), and takes those that lead to a node. As every prefix of a
node is a node, that ends at the deepest node that the text reaches. For a step to be one look-up, blocks of 2, 4, 8 …
characters have numbers, made of the numbers of their two halves (the naming of Karp, Miller and Rosenberg 1972). Both
kinds of look-up, two halves to a block and a node with a block to a node, are `(left, right) -> result` and lie in one
table. Nothing is hashed, so nothing collides: the answers are exact.

Blocks and nodes are states. A state has a number, and a base: a pair's place in the table is the left one's base plus
the right one's number. Text is looked up in places all over the table, which is what costs; so a place holds all that
there is to know in one int64: whose it is, and the base and the number of what comes of the pair.
"""

from typing import NamedTuple

import numpy as np

from bert_keras.errors import BadInput
from bert_keras.tokenizers.piece_learner import CONTINUES

# A state is `base << STATE_BITS | number`; above both, in the table, stands the number of the left one.
STATE_BITS = 21
# A match is `id << MATCH_BITS | length`.
MATCH_BITS = 7

# So much of the table is taken at most: with more it would be smaller, and harder to fill.
_LOAD = 0.7


class PieceTable(NamedTuple):
    """What a vocabulary is to the graph.

    Attributes:
        symbols: dict of character to its state, a block of one.
        table: int64 `[places]`. Of a pair `left number << 2 * STATE_BITS | resulting state`, elsewhere -1. Two states
            that make no pair meet the place of others there, or none.
        first, further: states. The nodes where a word begins, and where one goes on.
        match: int32 `[numbers]`. The longest piece on the way to a node, 0 for none.
        levels: int. How many sizes of blocks there are: 1, 2, …, `2**(levels - 1)` characters.
    """

    symbols: dict
    table: np.ndarray
    first: int
    further: int
    match: np.ndarray
    levels: int


def piece_table(vocabulary, alone, max_characters):
    """The `PieceTable` of a vocabulary.

    Args:
        vocabulary: list of str; the place in it is the id.
        alone: set of characters that are words of their own. Pieces that hold one beside others never match.
        max_characters: int, below `2**MATCH_BITS`. Longer pieces never match.

    Raises:
        BadInput: the vocabulary has more prefixes of pieces than there are numbers, two million.
    """
    symbols: dict[str, int] = {}
    nodes = _Nodes()
    for id, piece in enumerate(vocabulary):
        further = piece.startswith(CONTINUES)
        letters = piece.removeprefix(CONTINUES)
        if not 0 < len(letters) <= max_characters or (len(letters) > 1 or further) and not alone.isdisjoint(letters):
            continue
        nodes.add(further, [symbols.setdefault(letter, len(symbols) + 1) for letter in letters], id)
    paths, ends = nodes.paths(), np.array(nodes.depth)
    levels = int(ends.max()).bit_length() or 1

    # The last step to each node comes from the ancestor whose depth has one bit less.
    steps = ends & -ends
    ancestors = nodes.ancestors(steps)
    pairs, names, count = _name_blocks(paths, ends, steps, levels, len(symbols) + 1)
    reached = np.flatnonzero(steps)
    walk = np.stack([ancestors[reached] + count, names[reached], reached + count], axis=1)
    base, table = _place(np.concatenate([*pairs, walk]), count + len(ends), count)
    states = base << STATE_BITS | np.arange(len(base))
    match = np.r_[np.zeros(count, "int32"), nodes.longest()].astype("int32")
    symbols = {letter: int(states[symbol]) for letter, symbol in symbols.items()}
    return PieceTable(symbols, table, int(states[count]), int(states[count + 1]), match, levels)


class _Nodes:
    """A trie with two roots, numbers 0 and 1."""

    def __init__(self):
        self._children, self._parent, self._symbol, self._match = {}, [0, 1], [0, 0], [0, 0]
        self.depth = [0, 0]

    def add(self, root, symbols, id):
        node = int(root)
        for symbol in symbols:
            parent, node = node, self._children.setdefault((node, symbol), len(self.depth))
            if node == len(self.depth):
                self._parent.append(parent)
                self._symbol.append(symbol)
                self._match.append(0)
                self.depth.append(self.depth[parent] + 1)
        self._match[node] = id << MATCH_BITS | len(symbols)

    def paths(self):
        """int32 `[nodes, deepest]`: the symbols on the way to each node, 0 beyond it."""
        depth = np.array(self.depth)
        paths = np.zeros((len(depth), max(depth.max(initial=0), 1)), "int32")
        # Parents come before their children, but for whole levels at a time the depth is needed.
        for level in range(1, depth.max(initial=0) + 1):
            here = np.flatnonzero(depth == level)
            paths[here] = paths[np.array(self._parent)[here]]
            paths[here, level - 1] = np.array(self._symbol)[here]
        return paths

    def ancestors(self, steps):
        """int `[nodes]`: the node so many steps back."""
        node, parent = np.arange(len(steps)), np.array(self._parent)
        for step in range(steps.max(initial=0)):
            node = np.where(steps > step, parent[node], node)
        return node

    def longest(self):
        match = list(self._match)
        for node, parent in enumerate(self._parent):
            match[node] = match[node] or match[parent]
        return np.array(match)


def _name_blocks(paths, ends, steps, levels, count):
    """Numbers blocks of symbols.

    Returns:
        `(pairs, names, count)`: of each size an int array `[blocks, 3]` of left half, right half and number; the number
        of each node's last step, int `[nodes]`; and the first number that is free.
    """
    # From the largest size down: what blocks there are. Each is told by its node's path and where it begins.
    wanted, needed = [], np.zeros((0, 0), "int32")
    for level in reversed(range(levels)):
        size = 1 << level
        own = np.flatnonzero(steps == size)
        places = (ends[own] - size)[:, None] + np.arange(size)
        halves = needed.reshape(-1, size) if needed.size else np.zeros((0, size), "int32")
        needed = np.concatenate([paths[own[:, None], places], halves])
        wanted.append((own, needed))
    # From single symbols up: their numbers.
    names, pairs = np.zeros(len(ends), "int64"), [np.zeros((0, 3), "int64")]
    below = None
    for level, (own, blocks) in enumerate(reversed(wanted)):
        if level == 0:
            numbers = blocks[:, 0].astype("int64")
        else:
            # The halves of these blocks are the last of the blocks one size below.
            halves = below[len(below) - 2 * len(blocks) :].reshape(-1, 2)
            unique, which = np.unique(halves, axis=0, return_inverse=True)
            numbers = count + which.reshape(-1)
            pairs.append(np.c_[unique, count + np.arange(len(unique))])
            count += len(unique)
        names[own] = numbers[: len(own)]
        below = numbers
    return pairs, names, count


def _place(pairs, states, names, seed=0):
    """Finds each left state a base, so that no two pairs have one place.

    Args:
        pairs: int64 `[pairs, 3]`: numbers of left, right, result; no (left, right) twice.
        states: int. Above every number.
        names: int. Above every number on the right.

    Returns:
        `(base, table)`, int64 `[states]` and `PieceTable.table`.
    """
    random = np.random.default_rng(seed)
    bases = int(len(pairs) / _LOAD) + 1
    if max(states, bases) >= 1 << STATE_BITS:
        raise BadInput(f"The vocabulary has {states} prefixes of pieces; core ops hold fewer than {1 << STATE_BITS}.")
    base = np.zeros(states, "int64")
    owner = np.full(bases + names, -1, "int64")
    result = np.zeros(bases + names, "int64")
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    lefts, starts, sizes = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    # Lefts with many rights first, while there is room; those with equally many at once, each where chance puts it,
    # until all have found places that are free.
    for size in np.unique(sizes)[::-1]:
        waiting = np.flatnonzero(sizes == size)
        while len(waiting):
            tried = random.integers(0, bases, len(waiting))
            rows = starts[waiting][:, None] + np.arange(size)
            places = tried[:, None] + pairs[rows, 1]
            left = lefts[waiting][:, None]
            free = (owner[places] < 0).all(axis=1)
            # Of several that want one place the last one has it, if the place was free.
            wanted = np.full(len(owner), -1, "int64")
            wanted[places[free]] = left[free]
            won = free & (wanted[places] == left).all(axis=1)
            base[lefts[waiting[won]]] = tried[won]
            owner[places[won]] = left[won]
            result[places[won]] = pairs[rows[won], 2]
            waiting = waiting[~won]
    states = base << STATE_BITS | np.arange(len(base))
    return base, np.where(owner < 0, -1, owner << 2 * STATE_BITS | states[result])
