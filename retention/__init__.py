"""What must go, when, and the proof that it went. It imports warehouse alone; runs and pages call it."""
