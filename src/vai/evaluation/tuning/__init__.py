"""`vai tune`: the best settings for a goal, as a report, a page and a settings file."""
