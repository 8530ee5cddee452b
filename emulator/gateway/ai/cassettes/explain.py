"""Why a request matched a recording, or why it did not: `agents-emu ai explain` (ai-binding.md 7.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.gateway.ai.canonical import ModelRequest, canonical, key_of
from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.cassettes.json_differences import ABSENT, differences
from emulator.gateway.ai.cassettes.library import Cassette, Shelf
from emulator.gateway.ai.cassettes.matching import Used
from emulator.gateway.ai.cassettes.nearest import nearest
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.recorder.secret_patterns import masked_value

_MOST = 20


def explain(request: ModelRequest, shelf: Shelf, used: Used) -> dict[str, Any]:
    """What the matcher sees, as JSON:

    `kind`, `target`, `canonical` (what is compared), `changed` (what the rules changed before comparing: `path`, `sent`, `compared`; the
    last one is null for what is left out, and of headers that are left out the value is not told: it may be a key), `cassettes` (`name`,
    `normalise`, `key`, and the recordings of that key with how often each was used), `manual` (hand-written recordings of this kind:
    whether the target fits, each rule, whether it holds, what it found), and `nearest` when no recorded exchange has the key
    (`recording`, `file`, `differences`). What looks like a secret is masked.
    """
    document = canonical(request)
    same_key = [recording for cassette in shelf.cassettes for recording in cassette.by_key.get(cassette.key(request), ())]
    near = None if same_key else nearest(request, shelf)
    told = {
        "kind": str(request.kind),
        "target": request.target,
        "key": key_of(document),
        "canonical": document,
        "changed": list(_changed(request, document)),
        "cassettes": [_cassette(cassette, request, used) for cassette in shelf.cassettes],
        "manual": [_manual(recording, request, used) for cassette in shelf.cassettes for recording in _of_kind(cassette, request)][:_MOST],
        "nearest": None if near is None else _nearest(near, document),
    }
    return {name: masked_value(value) for name, value in told.items()}


def _changed(request: ModelRequest, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    compared = {name: document[name] for name in ("headers", "body")}
    sent = {"headers": dict(request.headers), "body": request.body}
    found: list[dict[str, Any]] = []
    for path, before, after in differences(sent, compared, ()):
        if before is not ABSENT and len(found) < _MOST:
            told = None if after is ABSENT and "headers" in path else before
            found.append({"path": jsonpath.join(path), "sent": told, "compared": None if after is ABSENT else after})
    return found


def _cassette(cassette: Cassette, request: ModelRequest, used: Used) -> dict[str, Any]:
    key = cassette.key(request)
    recordings = [_state(recording, used) for recording in cassette.by_key.get(key, ())]
    return {
        "name": cassette.name,
        "normalise": [rule.partition("=")[0] for rule in cassette.normalisers],
        "key": key,
        "recordings": recordings,
    }


def _state(recording: Recording, used: Used) -> dict[str, Any]:
    return {
        "recording": recording.name,
        "file": str(recording.file),
        "used": used.get(recording.identity, 0),
        "repeat": recording.repeat.value,
    }


def _of_kind(cassette: Cassette, request: ModelRequest) -> list[Recording]:
    return [recording for recording in cassette.manual if recording.request.kind is request.kind]


def _manual(recording: Recording, request: ModelRequest, used: Used) -> dict[str, Any]:
    document = request.document()
    rules = []
    for rule in recording.rules:
        values = jsonpath.select(document, rule.steps)
        rules.append({"rule": str(rule), "holds": rule.holds(document), "found": values[:3]})
    return {**_state(recording, used), "target": recording.request.target, "target_fits": recording.fits_target(request), "rules": rules}


def _nearest(recording: Recording, document: dict[str, Any]) -> dict[str, Any]:
    pairs = [] if recording.manual else list(differences(canonical(recording.request), document, ()))
    shown = [
        {"path": jsonpath.join(path), "recorded": None if left is ABSENT else left, "asked": None if right is ABSENT else right}
        for path, left, right in pairs[:_MOST]
    ]
    return {"recording": recording.name, "file": str(recording.file), "differences": shown, "more": max(0, len(pairs) - _MOST)}
