"""The shape of a wrangler file, as JSON Schema (durable-objects.md 10). Keys we read are described; the rest of wrangler's keys are
only known by name, so that a typing error can be told from a feature we do not need."""

from __future__ import annotations

from typing import Any

STRING: dict[str, Any] = {"type": "string"}
STRINGS: dict[str, Any] = {"type": "array", "items": STRING}
STRING_BY_NAME: dict[str, Any] = {"type": "object", "additionalProperties": STRING}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
ANYTHING: dict[str, Any] = {}
IDENTIFIER: dict[str, Any] = {
    "type": "string",
    "pattern": r"^[A-Za-z_$][\w$]*$",
    "description": "a name that is valid in JavaScript, such as MY_AGENT",
}
CLASS: dict[str, Any] = {**IDENTIFIER, "description": "the name of a class, such as Chat"}
DATE: dict[str, Any] = {
    "type": "string",
    "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$",
    "description": 'a date such as "2026-11-17"',
}
WORKER_NAME: dict[str, Any] = {
    "type": "string",
    "pattern": r"^[a-z0-9_][a-z0-9-_]{0,62}$",
    "description": "lower-case letters, digits, - and _, at most 63 characters",
}


def table(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """An object with these members; others are unknown keys."""
    return {"type": "object", "properties": properties, "required": list(required)}


def tables(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """A list of such objects."""
    return {"type": "array", "items": table(required, **properties)}


NAMED_BINDING: dict[str, Any] = {
    "type": "object",
    "required": ["binding"],
    "properties": {"binding": IDENTIFIER},
    "additionalProperties": ANYTHING,
}
LIST_OF_BINDINGS: dict[str, Any] = {"type": "array", "items": NAMED_BINDING}
LIST_OF_NAMES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "object", "required": ["name"], "properties": {"name": IDENTIFIER}, "additionalProperties": ANYTHING},
}

INHERITED: dict[str, dict[str, Any]] = {
    "name": WORKER_NAME,
    "main": STRING,
    "compatibility_date": DATE,
    "compatibility_flags": STRINGS,
    "migrations": tables(
        ("tag",),
        tag=STRING,
        new_sqlite_classes={"type": "array", "items": CLASS},
        new_classes={"type": "array", "items": CLASS},
        renamed_classes=tables(("from", "to"), **{"from": CLASS, "to": CLASS}),
        deleted_classes={"type": "array", "items": CLASS},
        transferred_classes=tables(("from", "to"), **{"from": CLASS, "from_script": STRING, "to": CLASS}),
    ),
    "exports": {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "properties": {"type": STRING, "storage": STRING, "state": STRING},
            "additionalProperties": ANYTHING,
        },
    },
    "triggers": table(crons=STRINGS),
    "rules": tables(
        ("type", "globs"),
        type={"type": "string", "enum": ["ESModule", "CommonJS", "CompiledWasm", "Text", "Data", "PythonModule", "PythonRequirement"]},
        globs=STRINGS,
        fallthrough=BOOLEAN,
    ),
    "tsconfig": STRING,
    "jsx_factory": STRING,
    "jsx_fragment": STRING,
    "keep_names": BOOLEAN,
    "build": {"type": "object", "properties": {"command": STRING}, "additionalProperties": ANYTHING},
    "assets": table(
        directory=STRING,
        binding=IDENTIFIER,
        not_found_handling={"type": "string", "enum": ["none", "single-page-application", "404-page"]},
        html_handling={
            "type": "string",
            "enum": ["auto-trailing-slash", "force-trailing-slash", "drop-trailing-slash", "none"],
        },
        run_worker_first={
            "type": ["boolean", "array"],
            "items": {
                "type": "string",
                "pattern": r"^!?/",
                "description": 'a pattern that starts with / or !/, such as "/agents/*"',
            },
        },
    ),
}
"""Keys that `env.<name>` takes from the top level unless it has its own (10.4)."""

INHERITED_UNREAD = (
    *("limits", "routes", "route", "workers_dev", "preview_urls", "minify", "no_bundle", "base_dir"),
    *("find_additional_modules", "preserve_file_names", "placement", "observability", "logpush", "cache"),
    *("python_modules", "account_id", "upload_source_maps", "first_party_worker"),
    *("define_types", "compliance_region", "streaming_tail_consumers", "previews"),
)

OWN: dict[str, dict[str, Any]] = {
    "durable_objects": table(
        bindings=tables(("name", "class_name"), name=IDENTIFIER, class_name=CLASS, script_name=STRING, environment=STRING)
    ),
    "vars": {"type": "object"},
    "define": STRING_BY_NAME,
    "secrets": {"type": "object", "properties": {"required": STRINGS}},
    "ai": {**NAMED_BINDING},
    "kv_namespaces": LIST_OF_BINDINGS,
    "r2_buckets": LIST_OF_BINDINGS,
    "d1_databases": LIST_OF_BINDINGS,
    "services": tables(
        ("binding", "service"),
        binding=IDENTIFIER,
        service=STRING,
        environment=STRING,
        entrypoint=STRING,
        props={"type": "object"},
        remote=BOOLEAN,
    ),
    "workflows": LIST_OF_BINDINGS,
    "vectorize": LIST_OF_BINDINGS,
    "hyperdrive": LIST_OF_BINDINGS,
    "analytics_engine_datasets": LIST_OF_BINDINGS,
    "worker_loaders": LIST_OF_BINDINGS,
    "dispatch_namespaces": LIST_OF_BINDINGS,
    "mtls_certificates": LIST_OF_BINDINGS,
    "pipelines": LIST_OF_BINDINGS,
    "secrets_store_secrets": LIST_OF_BINDINGS,
    "vpc_services": LIST_OF_BINDINGS,
    "send_email": LIST_OF_NAMES,
    "ratelimits": LIST_OF_NAMES,
    "queues": {
        "type": "object",
        "properties": {"producers": LIST_OF_BINDINGS, "consumers": {"type": "array"}},
        "additionalProperties": ANYTHING,
    },
    "browser": NAMED_BINDING,
    "images": NAMED_BINDING,
    "media": NAMED_BINDING,
    "version_metadata": NAMED_BINDING,
}
"""Keys that `env.<name>` must repeat (10.4)."""

OWN_UNREAD = (
    *("tail_consumers", "containers", "unsafe", "cloudchamber", "logfwdr", "text_blobs", "data_blobs"),
    *("wasm_modules", "mtls", "unsafe_hello_world", "ai_search", "ai_search_namespaces", "stream", "flagship", "artifacts"),
)

TOP_ONLY = (
    *("$schema", "env", "dev", "site", "legacy_env", "send_metrics", "keep_vars", "pages_build_output_dir"),
    "dependencies_instrumentation",
)

OTHER_BINDINGS: dict[str, str] = {
    **{key: "binding" for key, schema in OWN.items() if schema is LIST_OF_BINDINGS or schema is NAMED_BINDING},
    **{key: "name" for key, schema in OWN.items() if schema is LIST_OF_NAMES},
}
"""Keys of bindings that are not served yet, and the member that holds the binding's name."""

ENVIRONMENT: dict[str, Any] = {
    "type": "object",
    "properties": {**INHERITED, **OWN, **dict.fromkeys((*INHERITED_UNREAD, *OWN_UNREAD), ANYTHING)},
}
WRANGLER: dict[str, Any] = {
    "type": "object",
    "properties": {
        **ENVIRONMENT["properties"],
        **dict.fromkeys(TOP_ONLY, ANYTHING),
        "alias": STRING_BY_NAME,
        "env": {"type": "object", "additionalProperties": ENVIRONMENT},
    },
}
