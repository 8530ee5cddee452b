"""How scenarios are played, written down and compared."""
