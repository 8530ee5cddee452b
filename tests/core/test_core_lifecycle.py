"""The life of an object: legal steps, generations, the idle deadline (durable-objects.md 1.3, 6; S-97, S-98)."""

import pytest

from emulator.core.lifecycle import IDLE_MS, Lifecycle, State, Step
from emulator.errors import InternalError


def alive(lifecycle: Lifecycle) -> None:
    lifecycle.step(Step.START, 0)
    lifecycle.step(Step.CONSTRUCTED, 0)


def test_an_idle_object_expires_ten_seconds_after_it_fell_quiet() -> None:
    life = Lifecycle()
    alive(life)
    assert life.next_deadline() is None
    life.step(Step.QUIET, 5_000)
    assert life.next_deadline() == 5_000 + IDLE_MS
    life.step(Step.BUSY, 9_000)
    assert life.next_deadline() is None
    life.step(Step.QUIET, 9_500)
    assert life.next_deadline() == 9_500 + IDLE_MS


@pytest.mark.parametrize(("sockets", "state"), [(True, State.HIBERNATED), (False, State.INACTIVE)])
def test_expiry_hibernates_only_with_sockets(sockets: bool, state: State) -> None:
    life = Lifecycle()
    alive(life)
    life.step(Step.QUIET, 0)
    assert life.step(Step.EXPIRE, IDLE_MS, hibernatable=sockets) is state
    alive(life)
    assert life.generation == 2


def test_every_reset_leads_to_inactive_and_a_new_generation() -> None:
    life = Lifecycle()
    life.step(Step.START, 0)
    assert life.step(Step.RESET, 0) is State.INACTIVE
    alive(life)
    assert life.step(Step.RESET, 0) is State.INACTIVE
    alive(life)
    life.step(Step.QUIET, 0)
    assert life.step(Step.RESET, 0) is State.INACTIVE
    assert life.generation == 3


def test_an_unlisted_step_is_our_bug() -> None:
    life = Lifecycle()
    with pytest.raises(InternalError, match="cannot quiet while inactive"):
        life.step(Step.QUIET, 0)
    alive(life)
    with pytest.raises(InternalError, match="cannot start while active"):
        life.step(Step.START, 0)


def test_idle_time_can_be_turned_off() -> None:
    life = Lifecycle(idle_ms=0)
    alive(life)
    life.step(Step.QUIET, 0)
    assert life.next_deadline() is None


def test_sockets_of_an_earlier_host_make_it_hibernate() -> None:
    life = Lifecycle()
    assert life.step(Step.RESTORE, 0) is State.HIBERNATED
    assert life.step(Step.RESTORE, 0) is State.HIBERNATED
    assert life.step(Step.START, 0) is State.STARTING
