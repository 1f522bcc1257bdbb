"""What models cost: prices, what may be spent, and the record of what was."""
