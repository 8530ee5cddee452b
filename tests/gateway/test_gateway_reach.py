"""How far sockets of user code may go, by mode."""

from __future__ import annotations

import pytest

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.reach import reach_of


@pytest.mark.parametrize(
    ("mode", "ci", "reach"),
    [
        (AiMode.LIVE, True, "outside"),
        (AiMode.STUB, True, "outside"),
        (AiMode.RECORD, True, "outside"),
        (AiMode.AUTO, False, "outside"),
        (AiMode.AUTO, True, "loopback"),
        (AiMode.REPLAY, False, "nothing"),
        (AiMode.CHECK, False, "nothing"),
    ],
)
def test_sockets_follow_the_mode(tmp_path, mode, ci, reach):
    assert reach_of(Playback(Library([tmp_path], recheck_ms=0), mode, Pacer(Speed(None)), ci=ci)) == reach


def test_another_mode_is_told(tmp_path):
    playback = Playback(Library([tmp_path], recheck_ms=0), AiMode.LIVE, Pacer(Speed(None)), ci=False)
    heard = []
    playback.on_restart = lambda: heard.append(reach_of(playback))
    playback.restart(mode=AiMode.REPLAY)
    assert heard == ["nothing"]
