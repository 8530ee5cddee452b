"""Object ids: derivation, checksum, visible names (design 4.2; S-02, S-03, S-08).

The values are `tests/vectors/core/ids.json`, which the Node host is held to as well (tests/hosts/node/core_rules.test.mjs).
"""

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.core.ids import InvalidId, Namespace, visible_name

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "core" / "ids.json").read_text("utf-8"))


def test_a_named_id_is_the_documented_derivation() -> None:
    key = hashlib.sha256(b"app-Chat").digest()
    half = hmac.digest(key, b"me", "sha256")[:16]
    assert Namespace.of("app", "Chat").id_from_name("me") == (half + hmac.digest(key, half, "sha256")[:16]).hex()


@pytest.mark.parametrize("row", VECTORS["named"], ids=lambda row: f"{row['class']} {row['name']}")
def test_named(row: dict[str, Any]) -> None:
    namespace = Namespace.of(row["worker"], row["class"])
    assert namespace.id_from_name(row["name"] * row["times"]) == row["id"]
    assert namespace.check(row["id"]) == row["id"]


def test_names_and_classes_give_different_ids() -> None:
    assert len({row["id"] for row in VECTORS["named"]}) == len(VECTORS["named"])


def test_unique() -> None:
    for row in VECTORS["unique"]:
        assert Namespace.of(row["worker"], row["class"]).unique_id(bytes.fromhex(row["random"])) == row["id"]


def test_an_id_is_checked_against_its_namespace() -> None:
    chat = Namespace.of("app", "Chat")
    for given, canonical in VECTORS["checked"]:
        assert chat.check(given) == canonical
    for given, text in VECTORS["refused"]:
        with pytest.raises(InvalidId) as caught:
            chat.check(given)
        assert str(caught.value) == text


@pytest.mark.parametrize(("part", "times", "visible"), VECTORS["shown"])
def test_a_long_name_addresses_but_does_not_show(part: str, times: int, visible: bool) -> None:
    name = part * times
    assert (visible_name(name) == name) is visible
