"""Tables as people read them, and as files to take away."""
