"""The AI binding behind the fake origin https://workers-binding.ai: recordings, the deterministic stub, the local gateway log."""
