"""How good is this machine as a clock? Trials of known outcome through the protocol that judges patches."""
