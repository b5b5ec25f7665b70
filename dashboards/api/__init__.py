"""What programs may ask for, how the installation is, and the answers."""
