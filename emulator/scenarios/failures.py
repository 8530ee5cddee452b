"""How a scenario fails: whose expectation, what came instead, and where in the file it stands."""

from __future__ import annotations

from collections.abc import Sequence

from emulator.errors import EmuError, UserCodeError
from emulator.scenarios.matching import Difference

MOST_DIFFERENCES = 6


class ScenarioFailed(UserCodeError):
    """E480 to E486: the agents did not do what the scenario expects. `where` is the step's place in its file."""

    reason = "scenario failed"


class TranscriptDiffers(EmuError):
    """E487: all expectations were met, and yet the transcript is not the golden one."""

    exit_code = 4
    reason = "transcript differs"


def unmet(what: str, nearest: tuple[str, Sequence[Difference]] | None, waited: str, came: Sequence[str]) -> ScenarioFailed:
    """E480: an expectation was not met within its time. `nearest` is what came nearest to it, with what differs; `came` the last frames."""
    lines = []
    if nearest is not None:
        found, differences = nearest
        lines.append(f"nearest  {found}")
        lines += [f"         {difference}" for difference in differences[:MOST_DIFFERENCES]]
        if len(differences) > MOST_DIFFERENCES:
            lines.append(f"         and {len(differences) - MOST_DIFFERENCES} more differences")
    elif came:
        lines.append("came instead:")
        lines += [f"  {frame}" for frame in came]
    else:
        lines.append("nothing came")
    return ScenarioFailed("E480", f"{what} did not come within {waited}", hint="\n".join(lines))


def differs(what: str, differences: Sequence[Difference], code: str = "E481") -> ScenarioFailed:
    """E481: an answer, a result or a check is not what was expected."""
    lines = [str(difference) for difference in differences[:MOST_DIFFERENCES]]
    if len(differences) > MOST_DIFFERENCES:
        lines.append(f"and {len(differences) - MOST_DIFFERENCES} more")
    return ScenarioFailed(code, f"not as expected: {what.rstrip(',')}", hint="\n".join(lines))
