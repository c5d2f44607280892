"""How work runs: executors, Ray, the lock and format of a workspace, files exchanged with nodes."""
