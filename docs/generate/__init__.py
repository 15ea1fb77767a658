"""What the documentation generates when it is built: the page of settings and every picture."""
