"""What a client asked for in the query of its URL."""

from urllib.parse import parse_qs, urlsplit


def asked(url: str | None) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(url or "").query).items()}
