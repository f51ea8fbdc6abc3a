"""What is being traced: the state, the events that change it, the session, and its live numbers."""
