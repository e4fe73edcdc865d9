"""Runs cases against a program, whose servers it starts, or against one server that runs already."""

import time
from collections.abc import Callable, Iterator

from serving.conformance import pems
from serving.conformance.case import Case, Mismatch, Skipped
from serving.conformance.process import NotStarted
from serving.conformance.report import FAILED, OK, SKIPPED, Result
from serving.conformance.setups import SETUPS, Program, started
from serving.conformance.subject import Subject

# The set-up that a server which is there already can stand for.
PLAIN = "plain"


def run_program(
    cases: list[Case], program: Program, note: Callable[[str], None] = lambda text: None
) -> Iterator[Result]:
    """Results, as they come. `note` is told which server starts."""
    for case in cases:
        if not case.setup:
            yield run_case(case, program, lacking(case, program))
    for name, setup in SETUPS.items():
        chosen = [case for case in cases if case.setup == name]
        if not chosen:
            continue
        note(f"starting server `{name}` for {len(chosen)} cases")
        try:
            with started(setup, program) as subject:
                for case in chosen:
                    yield run_case(case, subject, lacking(case, program))
        except NotStarted as error:
            for number, case in enumerate(chosen):
                said = f": {error}" if not number else ", as said above"
                yield Result(case, FAILED, detail=f"server `{name}` did not start{said}")


def run_endpoint(cases: list[Case], subject: Subject) -> Iterator[Result]:
    """Results, as they come: of the cases that need no server of their own."""
    for case in cases:
        why = None
        if case.setup != PLAIN:
            why = "needs --executable: a server with flags of its own, or one that is started by the case"
        elif "rest" in case.needs and not subject.endpoint.rest:
            why = "needs --rest"
        elif "models" in case.needs and subject.models is None:
            why = "needs --models: where the server sees the suite's models"
        yield run_case(case, subject, why)


def run_case(case: Case, against, why_not: str | None = None) -> Result:
    """Args: against: what its check takes. why_not: skip it, for this reason."""
    if why_not:
        return Result(case, SKIPPED, detail=why_not)
    began = time.perf_counter()
    try:
        case.check(against)
    except Skipped as reason:
        return Result(case, SKIPPED, time.perf_counter() - began, str(reason))
    except Mismatch as mismatch:
        return Result(case, FAILED, time.perf_counter() - began, str(mismatch), mismatch)
    except Exception as error:  # an answer in a form that no case foresees; the other cases still count
        return Result(case, FAILED, time.perf_counter() - began, f"{type(error).__name__}: {error}")
    return Result(case, OK, time.perf_counter() - began)


def lacking(case: Case, program: Program) -> str | None:
    """Why a case cannot be run against this program here; None where it can."""
    for need in sorted(case.needs):
        if need == "tls" and not pems.available():
            return "needs the program openssl, to make certificates"
        flag = need.partition("flag:")[2]
        if flag and flag not in program.flags:
            return f"the program's usage has no --{flag}"
    return None


def in_order(cases: list[Case], chosen: set[str]) -> list[Case]:
    """The chosen cases; where cases of a set-up build on each other, those before them as well."""
    kept = []
    for case in reversed(cases):
        follows = case.setup and SETUPS[case.setup].ordered and any(other.setup == case.setup for other in kept)
        if case.id in chosen or follows:
            kept.append(case)
    return kept[::-1]
