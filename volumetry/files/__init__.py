"""Files of any kind: read whole within a limit, replaced whole, and documents in TOML and JSON."""
