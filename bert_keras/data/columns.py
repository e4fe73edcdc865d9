"""Which column of a file plays which role."""

from collections.abc import Iterable, Mapping, Sequence

from bert_keras.errors import BadInput, nearest

Choice = str | int | None


def choose(
    names: Sequence[str],
    columns: Mapping[str, Choice],
    aliases: Mapping[str, Sequence[str]],
    required: Iterable[str],
    source: str,
    way_out: str = "",
) -> dict[str, int]:
    """Gives each role the position of its column in a header.

    A role with a choice takes that column or fails. One without takes the column of its own name, else of the first of
    its aliases that is there (letter case ignored), else none.

    Args:
        names: the header.
        columns: role -> column name, number from 1 (also as digits), or None. Its order is the order of choosing.
        aliases: role -> other names that its column goes by.
        required: roles that must find a column.
        source: the file, for messages.
        way_out: what else may help where a required column is not there, for the end of that message.

    Returns:
        role -> position from 0, for each role that has a column.

    Raises:
        BadInput: a chosen or required column is not there, or is there twice, or two roles share one.
    """
    names = [name.strip() for name in names]
    positions = {role: named(names, choice, role, source) for role, choice in columns.items() if choice is not None}
    _check_no_sharing(positions, names, source)
    required = set(required)
    for role in columns:
        if role not in positions:
            position = _by_alias(names, (role, *aliases.get(role, ())), role, set(positions.values()), source)
            if position is not None:
                positions[role] = position
            elif role in required:
                raise missing(role, names, aliases.get(role, ()), source, way_out)
    return positions


def missing(role: str, names: Sequence[str], aliases: Sequence[str], source: str, way_out: str = "") -> BadInput:
    """The error for a required role that finds no column: what there is, and how to choose."""
    looked_for = ", ".join((role, *aliases))
    return BadInput(
        f"{source}: no column for {role!r} (looked for {looked_for}); the columns are {_listed(names)}"
        f"{_other_delimiter(names)}: choose one with columns={{{role!r}: NAME or NUMBER}} (on the command line "
        f"--column {role}=NAME){way_out}"
    )


def _other_delimiter(names: Sequence[str]) -> str:
    found = [delimiter for delimiter in ";\t,|" if len(names) == 1 and delimiter in names[0]]
    return f" (parted by {found[0]!r}? fields are parted by commas in .csv and by tabs in .tsv)" if found else ""


def named(names: Sequence[str], choice: str | int, role: str, source: str) -> int:
    """The position of a column chosen by name, or by number from 1 where no column has that name."""
    found = [position for position, name in enumerate(names) if name == str(choice).strip()]
    if isinstance(choice, str) and len(found) > 1:
        raise _twice(role, found, names, source)
    if isinstance(choice, str) and found:
        return found[0]
    if str(choice).strip().isdecimal():
        if not 1 <= int(choice) <= len(names):
            raise BadInput(
                f"{source}: there is no column {choice} for {role!r}; "
                f"expected a number from 1 to {len(names)}; the columns are {_listed(names)}"
            )
        return int(choice) - 1
    raise BadInput(
        f"{source}: there is no column {choice!r} for {role!r}{nearest(choice, names)}; "
        f"the columns are {_listed(names)}: choose one of them by name or number"
    )


def _by_alias(names, candidates, role, taken, source) -> int | None:
    folded = [name.casefold() for name in names]
    for candidate in candidates:
        found = [p for p, name in enumerate(folded) if name == candidate.casefold() and p not in taken]
        if len(found) > 1:
            raise _twice(role, found, names, source)
        if found:
            return found[0]
    return None


def _twice(role, found, names, source) -> BadInput:
    numbers = " and ".join(str(position + 1) for position in found)
    return BadInput(
        f"{source}: columns {numbers} are both called {names[found[0]]!r}; expected one for {role!r}: "
        f"choose it by number (on the command line --column {role}={found[0] + 1})"
    )


def _check_no_sharing(positions: Mapping[str, int], names: Sequence[str], source: str) -> None:
    roles: dict[int, str] = {}
    for role, position in positions.items():
        if position in roles:
            raise BadInput(
                f"{source}: {roles[position]!r} and {role!r} are both given column {names[position]!r}; "
                "expected a column of its own for each: choose another for one of them"
            )
        roles[position] = role


def _listed(names: Sequence[str], limit: int = 20) -> str:
    shown = ", ".join(f"{number} {name!r}" for number, name in enumerate(names[:limit], start=1))
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")
