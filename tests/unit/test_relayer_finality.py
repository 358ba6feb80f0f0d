"""Finality that stops is told once, and once when it goes on; a slow block is nothing to tell."""

from __future__ import annotations

import io

from relayers.finality import FinalityWatch, News, tell
from relayers.log import Log

PATIENCE = 10.0


def _looks(*looks: tuple[int, float]) -> list[News]:
    watch = FinalityWatch(PATIENCE)
    return [watch.look(final, now) for final, now in looks]


def test_finality_that_goes_on_is_nothing_new() -> None:
    assert _looks((1, 0), (1, 9), (2, 9.5), (2, 19), (3, 19.4)) == [News.NONE] * 5


def test_finality_that_stops_is_told_once_and_again_when_it_goes_on() -> None:
    said = _looks((5, 0), (5, 10.1), (5, 20), (5, 3600), (6, 3601), (6, 3602), (6, 3612))
    assert said == [News.NONE, News.STOPPED, News.NONE, News.NONE, News.RESUMED, News.NONE, News.STOPPED]


def test_node_that_is_behind_is_no_progress() -> None:
    assert _looks((5, 0), (4, 8), (5, 9), (4, 10.1), (5, 12)) == [*[News.NONE] * 3, News.STOPPED, News.NONE]


def test_chain_that_never_finalised_is_told_as_well() -> None:
    assert _looks((0, 0), (0, 11)) == [News.NONE, News.STOPPED]


def test_words_name_chain_block_and_seconds() -> None:
    watch, stream = FinalityWatch(PATIENCE), io.StringIO()
    log = Log("relayer", stream=stream)
    for final, now in ((107, 0.0), (107, 34.0)):
        tell(watch.look(final, now), watch, "alpha", 153, now, log)
    assert "ALARM: finality stopped chain=alpha final=107 best=153 since=34s" in stream.getvalue()
    assert watch.sentence("alpha", 153, 34.0) == "finality of alpha stands at block 107 for 34 s, its best block is 153"
    tell(watch.look(108, 35.0), watch, "alpha", 154, 35.0, log)
    assert stream.getvalue().endswith("finality goes on chain=alpha final=108\n")
