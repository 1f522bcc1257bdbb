"""Questions are asked once; from what was found and read follow the hits of any configuration."""
