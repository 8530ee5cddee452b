"""AI Gateway on this machine: cache, limits, retries, timeouts, fallback, dynamic routes, cost and logs (ai-binding.md 3.2 and 3.3).

It stands in front of recordings and backends, so that its rules act the same in every mode. gateway.py puts the rules in order; each
rule is a file of its own, pure, with the time as an argument.
"""
