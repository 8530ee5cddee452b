"""Between Workers AI's words and those of other protocols (ai-binding.md 4). Everything here is pure, but for stream_body.py.

Requests: `<protocol>_request.py` builds the provider's body from `run` inputs and says what it had to drop or clamp. Answers:
`<protocol>_answer.py` reads the provider's body or stream events into deltas.py; emission.py writes those in the shape of the model
that was asked for.
"""
