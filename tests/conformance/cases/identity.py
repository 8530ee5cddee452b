"""S-01 to S-10: identity."""

from playbook.matching import Has, Like
from playbook.programs import FRESH, LIFE, UNDEFINED, begin, call, do, get, lives, note, notes, put, settled, sleep, times
from playbook.steps import Case, Remember, Restart, Run, Until, Verb

PLAIN = ["!env.Plain.getByName", ["@me"]]
BY_STRING = ["!env.Probe.get", ["!env.Probe.idFromString", ["!o.id.toString"]]]
NAME = ["@ctx.id.name"]
LONG = "n" * 1024

CASES = (
    Case(
        "S-01",
        "one instance for class and name, none shared between classes",
        (
            Run(call(["memory", "x", 5]), 5),
            Run(do(["let", "a", FRESH], ["let", "b", FRESH], ["list", call(LIFE, to=["@a"]), call(["memory", "x"], to=["@b"])]), [1, 5]),
            Run(call(["memory", "x"], to=PLAIN), 0),
            Run(call(put("k", 1)), None),
            Run(call(get("k"), to=PLAIN), UNDEFINED),
            Run(["=", ["!o.id.toString"], ["!env.Plain.idFromName", ["@me"]]], False),
        ),
    ),
    Case(
        "S-02",
        "ids are 64 hex digits and outlive the process",
        (
            Remember("id", ["!o.id.toString"]),
            Run(["!o.id.toString"], Like("^[0-9a-f]{64}$")),
            Restart(),
            Remember("id", ["!o.id.toString"]),
        ),
        "rough",
    ),
    Case(
        "S-03",
        "idFromString refuses malformed and foreign ids",
        (
            Run(
                ["!env.Probe.idFromString", "abc"],
                raises=Has({"name": "TypeError", "message": "Invalid Durable Object ID: must be 64 hex digits"}),
            ),
            Run(
                ["!env.Probe.idFromString", "z" * 64],
                raises=Has({"name": "TypeError", "message": "Invalid Durable Object ID: must be 64 hex digits"}),
            ),
            Run(
                ["!env.Probe.idFromString", "0" * 64],
                raises=Has({"name": "TypeError", "message": "Durable Object ID is not valid for this namespace."}),
            ),
            Run(
                do(["let", "foreign", ["!env.Plain.idFromName", "x"]], ["!env.Probe.idFromString", ["!foreign.toString"]]),
                raises=Has({"name": "TypeError", "message": "Durable Object ID is not valid for this namespace."}),
            ),
            Run(
                do(
                    ["let", "upper", ["!env.Probe.idFromString", ["upper", ["!o.id.toString"]]]],
                    ["!upper.equals", ["@o.id"]],
                ),
                True,
            ),
        ),
    ),
    Case(
        "S-04",
        "a stub alone constructs nothing",
        (Run(do(FRESH, ["!env.Probe.get", ["!env.Probe.idFromName", ["@me"]]], lives()), 0), Run(call(LIFE), 1)),
    ),
    Case(
        "S-05",
        "ctx.id.name when first addressed by name, not when by string id",
        (
            Run(call(NAME), Like("^S-05 ")),
            Run(["@o.name"], Like("^S-05 ")),
            Run(
                do(
                    [
                        "let",
                        "id",
                        ["!env.Probe.idFromString", ["do", ["let", "i", ["!env.Probe.idFromName", "S-05 other"]], ["!i.toString"]]],
                    ],
                    ["let", "s", ["!env.Probe.get", ["@id"]]],
                    ["list", call(NAME, to=["@s"]), ["@s.name"], ["type", ["@id.name"]]],
                ),
                [UNDEFINED, UNDEFINED, "undefined"],
            ),
        ),
    ),
    Case(
        "S-06",
        "ctx.id.name does not change during a life",
        (
            Run(do(["let", "s", BY_STRING], ["list", call(NAME, to=["@s"]), call(NAME), call(LIFE)]), [UNDEFINED, UNDEFINED, 1]),
            Verb("objects/Probe/{me}/evict"),
            Run(["list", call(NAME), call(NAME, to=BY_STRING), call(LIFE)], [Like("^S-06"), Like("^S-06"), 2]),
        ),
    ),
    Case(
        "S-07",
        "ctx.id.name is there in an alarm after a restart",
        (
            Run(call(["storage.setAlarm", ["+", ["now"], 400]])),
            Restart(600, kill=True),
            Until(notes(), ["alarm 0 false"]),
            Run(call(["!storage.kv.get", "alarm name"]), Like("^S-07")),
        ),
        "rough",
    ),
    Case(
        "S-08",
        "names of more than 1,024 bytes route but are not shown",
        (
            Run(call(NAME, to=["!env.Probe.getByName", LONG]), LONG),
            Run(
                do(
                    ["let", "long", ["!env.Probe.getByName", LONG + "n"]],
                    ["let", "again", ["!env.Probe.getByName", LONG + "n"]],
                    ["list", call(["memory", "x", 1], NAME, to=["@long"]), call(["memory", "x"], to=["@again"])],
                ),
                [UNDEFINED, 1],
            ),
        ),
    ),
    Case(
        "S-09",
        "twenty calls on one cold stub arrive in order",
        (
            Run(
                do(
                    ["let", "all", times(20, ["!o.use", ["code", note(["@value"])], ["@index"]])],
                    settled(["@all"]),
                    notes(),
                ),
                [*range(20)],
            ),
        ),
    ),
    Case(
        "S-10",
        "calls overlap at awaits: shorter ones end first",
        (
            Run(
                do(settled(*(begin(sleep(ms), note(ms)) for ms in (120, 10, 60))), notes()),
                [10, 60, 120],
            ),
        ),
    ),
    Case(
        "S-10b",
        "newUniqueId has no name and reaches one object",
        (
            Run(
                do(
                    ["let", "id", ["!env.Probe.newUniqueId"]],
                    ["let", "s", ["!env.Probe.get", ["@id"]]],
                    ["list", ["type", ["@id.name"]], call(NAME, to=["@s"]), ["=", ["!id.toString"], call(["!ctx.id.toString"], to=["@s"])]],
                ),
                ["undefined", UNDEFINED, True],
            ),
            Run(["!env.Probe.newUniqueId", {"jurisdiction": "eu"}], raises=Has({"message": Like("^Jurisdiction restrictions")})),
        ),
    ),
    Case(
        "S-10c",
        "an id of another class is refused",
        (Run(["!env.Plain.get", ["@o.id"]], raises=Has({"name": "TypeError"})),),
        differs="local workerd runs an object of this class under the foreign id",
    ),
)
