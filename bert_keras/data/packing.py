"""Which short sequences share a row."""

import numpy as np


def pack(lengths: np.ndarray, room: int, most: int) -> list[list[int]]:
    """Puts sequences into rows, each into the fullest row that still takes it (best fit).

    Args:
        lengths: int `[n]`, none above `room`.
        room: int, tokens of a row.
        most: int, sequences of a row.

    Returns:
        A list of rows, each a list of indices into `lengths`; every index stands in one row.
    """
    # Open rows by the room that is left in them; a bit of `open_rooms` is set where there is one.
    rows, by_room, open_rooms = [], [[] for _ in range(room + 1)], 0
    for index, length in enumerate(np.asarray(lengths).tolist()):
        fitting = open_rooms >> length
        if fitting:
            left = length + (fitting & -fitting).bit_length() - 1
            row = by_room[left].pop()
            if not by_room[left]:
                open_rooms &= ~(1 << left)
            row.append(index)
            left -= length
        else:
            row = [index]
            rows.append(row)
            left = room - length
        if left and len(row) < most:
            by_room[left].append(row)
            open_rooms |= 1 << left
    return rows
