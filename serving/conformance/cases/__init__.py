"""All cases, a file for each section of the contract or part of one."""

from serving.conformance.case import Case


def all_cases() -> list[Case]:
    """In the order in which they are run: lives first of what asks its server, whose cases build on each other."""
    from serving.conformance.cases import (
        batching,
        classify_regress,
        finding_models,
        flags,
        lives,
        metadata,
        metrics,
        predict,
        reload,
        rest,
        rest_refusals,
        starting,
        status,
        transport,
        warm_up,
    )

    parts = (
        starting,
        flags,
        finding_models,
        predict,
        classify_regress,
        metadata,
        status,
        rest,
        rest_refusals,
        metrics,
        lives,
        transport,
        batching,
        reload,
        warm_up,
    )
    return [case for part in parts for case in part.CASES]
