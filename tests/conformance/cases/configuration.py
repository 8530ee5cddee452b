"""S-113 to S-116: configuration. The files that make the difference are written by conftest.py."""

from playbook.matching import ANY, Has, error, value
from playbook.programs import UNDEFINED, call, catch, put
from playbook.steps import Case, Run

CASES = (
    Case(
        "S-113",
        ".dev.vars overrides vars and switches .env off",
        (
            Run(
                ["list", ["@env.PLAIN"], ["@env.FROM_DEV_VARS"], ["catch", ["@env.FROM_ENV"]]],
                ["from .dev.vars", "yes", Has({"value": UNDEFINED})],
            ),
        ),
        "rough",
    ),
    Case(
        "S-113b",
        "without .dev.vars the .env files apply in order",
        (Run(["list", ["@env.FROM_ENV"], ["@env.FROM_BOTH"], ["@env.PLAIN"]], ["env", "local", "text"]),),
        differs="wrangler reads these files, not workerd",
    ),
    Case(
        "S-114",
        "vars keep their JSON types",
        (Run(["list", ["@env.NUMBER"], ["@env.FLAG"], ["@env.NESTED"]], [7, True, {"list": [1, None]}]),),
    ),
    Case(
        "S-115",
        "a named environment inherits migrations and flags, not vars",
        (
            Run(["list", ["@env.ONLY_HERE"], ["@env.NUMBER"]], ["staging", UNDEFINED]),
            Run(call(put("k", 1), ["!storage.kv.get", "k"]), 1),
        ),
        "rough",
    ),
    Case(
        "S-116",
        "a class of new_classes has no sql, one of new_sqlite_classes has",
        (
            Run(call(catch(["@storage.sql"]), to=["!env.Legacy.getByName", ["@me"]]), error(ANY)),
            Run(call(catch(["type", ["@storage.sql"]]), to=["!env.Plain.getByName", ["@me"]]), value("SqlStorage")),
        ),
        differs="bare workerd gives SQL to every class on disk; miniflare refuses as here",
    ),
)
