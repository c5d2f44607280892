"""What an evaluation says, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from naturalist.counting import counted


def accuracies(result: Mapping[str, Any]) -> Iterator[str]:
    """Lines of an evaluation: how often the classifier is right, and on what pictures.

    Args:
        result: what `evaluation.json` says.
    """
    left_out, expected = result["leave_one_source_out"], result["expected_on_new_sources"]
    random = result["random_split"]["balanced_accuracy"]
    yield f"new pictures of the same sources   {random:.1%} (a random split)"
    if left_out is None:
        yield "other sources                      not available: each category has only one source"
        return
    sources = len({one["source"] for one in left_out["per_source"]})
    yield f"each source left out in turn       {left_out['balanced_accuracy']:.1%}"
    if left_out["interval"] is not None:
        low, high = left_out["interval"]
        yield (
            f"mean over many other sources       {low:.1%} to {high:.1%} ({left_out['level']:.0%} "
            f"interval from {sources} data sets)"
        )
    if expected is not None:
        low, high = expected["interval"]
        coverage = expected["coverage"]
        yield (
            f"one other source                   {low:.1%} to {high:.1%} ({expected['level']:.0%}; "
            f"held for {coverage['inside']} of {counted(coverage['sources'], 'source')})"
        )
    for one in result["trust"]["decisions"]:
        if one["accuracy"] is not None:
            name = f"{one['decision']} predictions".ljust(35)
            yield f"{name}{one['accuracy']:.1%} right, {one['share']:.1%} of left-out sources"
    flag = result["trust"]["flags"]["either"]
    if flag["false_alarms"] is not None and flag["caught"] is not None:
        yield (
            f"unsure or unlike are               {flag['caught']:.1%} of wrong and "
            f"{flag['false_alarms']:.1%} of right predictions there"
        )
