"""`agents-emu ai models update`: an account's list and schemas, kept in the project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fakes.workers_ai import FakeWorkersAi

TOKEN = "token-of-the-account"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "wrangler.jsonc").write_text('{"name": "p", "main": "main.py", "compatibility_date": "2026-11-01"}')
    (tmp_path / "main.py").write_text("")
    return tmp_path


def emu(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "emulator", "ai", "models", *arguments]
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(project)}
    return subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, timeout=60, check=False)


def with_account(project: Path, base_url: str, token: str = TOKEN) -> None:
    (project / "agents-emu.toml").write_text(f'[ai.backends.cloudflare]\ntype = "workers-ai"\nbase_url = "{base_url}"\n')
    account = "CLOUDFLARE_ACCOUNT_ID=acc\n"
    (project / ".dev.vars").write_text(f"{account}CLOUDFLARE_API_TOKEN={token}\n")


def test_the_list_and_schemas_are_kept_and_used(project: Path) -> None:
    with FakeWorkersAi(key=TOKEN, account="acc").running() as fake:
        with_account(project, fake.base_url)
        done = emu(project, "update", "@cf/fake/model-7")
    assert (done.returncode, done.stdout) == (0, f"130 models and 1 schema from {fake.base_url}/accounts/acc/ai\n"), done.stderr
    rows = json.loads(emu(project, "list", "--search", "model-12", "--json").stdout)
    assert [row["name"] for row in rows] == ["@cf/fake/model-12", *(f"@cf/fake/model-12{digit}" for digit in range(10))]
    schema = emu(project, "schema", "@cf/fake/model-7", "--json")
    assert json.loads(schema.stdout)["input"]["title"] == "@cf/fake/model-7" and "as of 20" in schema.stderr
    assert TOKEN not in (project / ".agents-emu" / "models.json").read_text()


def test_without_an_account_the_variable_is_named(project: Path) -> None:
    done = emu(project, "update")
    assert (done.returncode, "E211" in done.stderr, "CLOUDFLARE_ACCOUNT_ID is not set" in done.stderr) == (2, True, True)


def test_what_the_service_says_is_told(project: Path) -> None:
    with FakeWorkersAi(key=TOKEN, account="acc").running() as fake:
        with_account(project, fake.base_url, "another-token")
        refused = emu(project, "update")
    assert (refused.returncode, "E548" in refused.stderr, "Authentication error" in refused.stderr) == (1, True, True), refused.stderr
    gone = emu(project, "update")
    assert (gone.returncode, "could not be fetched" in gone.stderr) == (1, True), gone.stderr
    assert not (project / ".agents-emu" / "models.json").exists()
