"""Configuration: read once at the edge into frozen dataclasses; nobody else reads files, flags or the environment.

`load_project` reads what the platform knows (wrangler file, `.dev.vars`, `.env`), `load_options` what only the emulator has
(`agents-emu.toml`, flags), `choose_python` and `choose_node` pick what the hosts run on.
"""

from emulator.config.front_end import FrontEnd
from emulator.config.interpreter import Interpreter, choose_python
from emulator.config.node_runtime import NodeRuntime, choose_node
from emulator.config.option_sources import load_options
from emulator.config.options import AiMode, Front, LogFormat, LogLevel, Options, Reload
from emulator.config.project import (
    Assets,
    DurableObjectBinding,
    HostKind,
    HtmlHandling,
    Migration,
    NotFound,
    Notice,
    OtherBinding,
    Project,
    ServiceBinding,
    Storage,
)
from emulator.config.secrets import Redactor, Secrets
from emulator.config.wrangler import load_project

__all__ = [
    "AiMode",
    "Assets",
    "DurableObjectBinding",
    "Front",
    "FrontEnd",
    "HostKind",
    "HtmlHandling",
    "Interpreter",
    "LogFormat",
    "LogLevel",
    "Migration",
    "NodeRuntime",
    "NotFound",
    "Notice",
    "Options",
    "OtherBinding",
    "Project",
    "Redactor",
    "Reload",
    "Secrets",
    "ServiceBinding",
    "Storage",
    "choose_node",
    "choose_python",
    "load_options",
    "load_project",
]
