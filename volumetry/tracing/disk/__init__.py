"""Where a session is kept: journal, snapshots, saved versions, locks and the places of files."""
