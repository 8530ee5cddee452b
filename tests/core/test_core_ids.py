"""Object ids: derivation, checksum, visible names (design 4.2; S-02, S-03, S-08)."""

import hashlib
import hmac

import pytest

from emulator.core.ids import InvalidId, Namespace, visible_name


def test_a_named_id_is_the_documented_derivation() -> None:
    key = hashlib.sha256(b"app-Chat").digest()
    half = hmac.digest(key, b"me", "sha256")[:16]
    assert Namespace.of("app", "Chat").id_from_name("me") == (half + hmac.digest(key, half, "sha256")[:16]).hex()


def test_names_and_classes_give_different_ids() -> None:
    chat, other = Namespace.of("app", "Chat"), Namespace.of("app", "Counter")
    ids = {chat.id_from_name("me"), chat.id_from_name("you"), other.id_from_name("me"), chat.unique_id(b"\0" * 16)}
    assert len(ids) == 4
    assert all(len(text) == 64 for text in ids)


def test_an_id_is_checked_against_its_namespace() -> None:
    chat = Namespace.of("app", "Chat")
    own = chat.id_from_name("me")
    assert chat.check(own.upper()) == own
    assert chat.check(chat.unique_id(bytes(range(16))))
    with pytest.raises(InvalidId, match="not valid for this namespace"):
        Namespace.of("app", "Counter").check(own)
    for malformed in ("", "abc", "g" * 64, own[:-1]):
        with pytest.raises(InvalidId, match="must be 64 hex digits"):
            chat.check(malformed)


@pytest.mark.parametrize(("name", "visible"), [("a" * 1024, True), ("a" * 1025, False), ("é" * 512, True), ("é" * 513, False)])
def test_a_long_name_addresses_but_does_not_show(name: str, visible: bool) -> None:
    assert (visible_name(name) == name) is visible
