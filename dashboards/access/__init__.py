"""How a browser reaches the dashboard, and whose session it is."""
