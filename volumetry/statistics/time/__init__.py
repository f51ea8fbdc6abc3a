"""Times to an event: curves, tests of curves, competing events, restricted means."""
