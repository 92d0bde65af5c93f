"""Every reason has words that name who it is about."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from engine.structures import Reason
from engine.suspicion_words import ISSUES, OF_BOTH, error_words, strength, words

REASONS = get_args(Reason)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_is_said_in_a_few_words_and_in_a_sentence(reason):
    names = ("Ada", "Ben") if reason in OF_BOTH else ("Ada",)
    brief, sentence = words(reason, 1.5, names)
    assert brief and len(brief) < 40
    assert all(name in sentence for name in names)
    assert sentence[0].isupper() and sentence.endswith(".") and "{" not in sentence
    assert ISSUES[reason]


def test_what_was_measured_is_said_with_its_unit():
    assert words("reprojection", 2.0, ["Ada"], 14.2) == (
        "Ada, 14 px",
        "The body of Ada misses the joints by 14 px.",
    )
    assert words("penetration", 2.0, ["Ada", "Ben"], 0.06) == (
        "6 cm deep",
        "The bodies are 6 cm inside each other.",
    )
    assert error_words(0.123, ["Ada"]) == "Joints of Ada are believed to be 12 cm off."


def test_more_is_said_more_strongly():
    assert [strength(v) for v in (1.0, 1.3, 2.0)] == ["slightly", "clearly", "strongly"]
    slight, strong = (words("silhouette", value, ["Ada"])[1] for value in (1.0, 3.0))
    assert "slightly" in slight and "strongly" in strong


def test_the_window_can_import_it():
    code = "import engine.suspicion_words, sys; print(sorted({'torch', 'cv2'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
