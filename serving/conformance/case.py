"""What a case is, and how the files of cases declare them."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from serving.conformance.rows import ROWS, SECTIONS, section_of


class Mismatch(Exception):
    """The server did something else than TensorFlow Serving does.

    sent: the request in a line; expected, got: what should have come, and what came.
    """

    def __init__(self, sent: str, expected, got):
        super().__init__(sent, expected, got)
        self.sent = sent
        self.expected = expected if isinstance(expected, str) else repr(expected)
        self.got = got if isinstance(got, str) else repr(got)

    def __str__(self) -> str:
        return f"expected {self.expected}, got {self.got} (sent: {self.sent})"


class Skipped(Exception):
    """The case cannot be run here; the text is the reason."""


@dataclass(frozen=True)
class Case:
    """One fact.

    Args:
        id: "1.2/unknown-signature", the row, or "1.5/message:empty-document", one of several facts of a row.
        says: what the genuine server does.
        setup: name of the set-up (`setups.SETUPS`) whose server it asks; "" where it starts programs by itself.
        check: takes a `subject.Subject` ("": a `programs.Program`); raises Mismatch or Skipped.
        needs: "rest": a REST address; "models": the models' folder as the server sees it.
    """

    id: str
    says: str
    setup: str
    check: Callable
    needs: frozenset[str] = frozenset()

    @property
    def row(self) -> str:
        return self.id.partition(":")[0]

    @property
    def section(self) -> str:
        return section_of(self.id)

    @property
    def source(self) -> str:
        return ROWS[self.row]


class Section:
    """Adds cases of one section of the contract, asked of the server of one set-up, to the list of their file.

    Example:
        CASES = []
        section = Section(CASES, "1.2", "plain")

        @section.case("unknown-signature")
        def unknown_signature(server):
            '''FAILED_PRECONDITION that names the signature.'''
            server.refused(...)
    """

    def __init__(self, cases: list[Case], number: str, setup: str, *needs: str):
        assert number in SECTIONS, number
        self.number = number
        self._cases = cases
        self._setup = setup
        self._needs = frozenset(needs)

    def case(self, name: str, *needs: str, setup: str | None = None):
        """Decorator; the function's docstring is what the genuine server does."""

        def declare(check):
            self.add(name, check.__doc__, check, *needs, setup=setup)
            return check

        return declare

    def add(self, name: str, says: str, check: Callable, *needs: str, setup: str | None = None) -> None:
        setup = self._setup if setup is None else setup
        case = Case(f"{self.number}/{name}", " ".join(says.split()), setup, check, self._needs | frozenset(needs))
        assert case.row in ROWS, f"{case.id}: no such row"
        assert all(case.id != other.id for other in self._cases), f"{case.id} is there twice"
        self._cases.append(case)

    def refused(self, name: str, says: str, method: str, request, code: str, text: "str | re.Pattern", **where) -> None:
        """A case that sends one request over gRPC, which must fail with this code and text."""
        self.add(name, f"{code}. {says}", lambda server: server.refused(method, request, code, text), **where)


def same(sent: str, got, expected) -> None:
    """Raises Mismatch where `got` is not `expected`."""
    if got != expected:
        raise Mismatch(sent, expected, got)


def fits(sent: str, got: str, expected: "str | re.Pattern") -> None:
    """Raises Mismatch where the text is not the expected one, or does not match the whole pattern."""
    if isinstance(expected, re.Pattern):
        if not expected.fullmatch(got):
            raise Mismatch(sent, f"/{expected.pattern}/", got)
    elif got != expected:
        raise Mismatch(sent, expected, got)
