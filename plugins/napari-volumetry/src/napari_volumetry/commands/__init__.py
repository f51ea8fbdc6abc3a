"""What is asked for by keys and buttons, done to the session of the case in view."""
