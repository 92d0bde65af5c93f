"""Which motion trains and which validates: fixed by subject and by trial, never drawn anew.

A person is in one split only, so that validation meets bodies and habits that training never saw.
The one exception is said with its reason. A name that no row knows belongs to whoever prepares it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.motion.prepared import Split


@dataclass(frozen=True)
class SplitRow:
    """A set of recordings, and where it goes."""

    names: str
    """A regular expression for the whole name of a file, without its ending."""
    split: Split
    reason: str
    source: str
    """Where they come from, in one sentence."""
    notice: str = ""
    """The acknowledgement that goes with whatever is made from them."""


CMU = "CMU Graphics Lab Motion Capture Database, mocap.cs.cmu.edu."
CMU_NOTICE = (
    "The data used in this project was obtained from mocap.cs.cmu.edu. The database was created "
    "with funding from NSF EIA-0196217."
)
GRAPPLEMAP = "GrappleMap by Eelis van der Weegen, github.com/Eelis/GrappleMap, public domain."

SPLITS: tuple[SplitRow, ...] = (
    SplitRow(
        r"(cmu_)?60(_61)?_(12|13)|(cmu_)?61_(12|13)",
        "validation",
        "CMU's salsa couple, by trial: there is no other couple of theirs. Numbers on it say "
        "little about other people.",
        CMU,
        CMU_NOTICE,
    ),
    SplitRow(
        r"(cmu_)?60(_61)?_\d+|(cmu_)?61_\d+",
        "train",
        "The other trials of that couple.",
        CMU,
        CMU_NOTICE,
    ),
    SplitRow(
        r"(cmu_)?03_\d+.*",
        "validation",
        "CMU's subject 03, who walks over rough ground.",
        CMU,
        CMU_NOTICE,
    ),
    SplitRow(
        r"(cmu_)?(02|12)_\d+.*",
        "validation",
        "CMU's subjects 02 and 12, who walk and stand: contact that is generated from them is of "
        "nobody in training.",
        CMU,
        CMU_NOTICE,
    ),
    SplitRow(
        r"(cmu_)?06_\d+.*|cmu(eval)?_basketball.*",
        "validation",
        "CMU's subject 06, who is also the one of the files named after basketball.",
        CMU,
        CMU_NOTICE,
    ),
    SplitRow(r"cmu(eval)?_.*|\d\d\d?_\d\d\d?.*", "train", "CMU's other subjects.", CMU, CMU_NOTICE),
    SplitRow(
        r"grapplemap-validation.*",
        "validation",
        "Whole parts of GrappleMap's graph of positions: see engine.motion.connected.",
        GRAPPLEMAP,
    ),
    SplitRow(r"grapplemap-train.*", "train", "The rest of GrappleMap.", GRAPPLEMAP),
)
"""The first row whose names match decides."""


def row_of(name: str) -> SplitRow | None:
    """What is fixed for a recording, by its name; None where no row knows it."""
    return next((row for row in SPLITS if re.fullmatch(row.names, name.lower())), None)
