"""Where training pictures with depth come from."""
