"""What the two stages are worth on a user's own data, measured on questions of which the answers are known."""
