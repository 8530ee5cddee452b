def main() -> None:
    raise SystemExit(70)
