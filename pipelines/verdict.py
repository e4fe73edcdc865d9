"""What a model fell short of, in words: the same for TFMA's verdicts and for our own."""


def out_of_bounds(name: str, value: float, lower: float | None, upper: float | None) -> str:
    """A sentence about a metric that is not within its bounds, of which one may be None."""
    asked = []
    if lower is not None:
        asked.append(f"at least {lower:g}")
    if upper is not None:
        asked.append(f"at most {upper:g}")
    return f"{name} is {value:.4f}; the config asks for {' and '.join(asked)}"


def changed_too_little(name: str, change: float, allowed: float, lower_is_better: bool) -> str:
    """A sentence about a metric that fell behind the last blessed model, or rose above it."""
    bound = "at most" if lower_is_better else "at least"
    return f"{name} changed by {change:+.4f} against the last blessed model; the config asks for {bound} {allowed:+.4f}"
