"""Models behind an address: requests within real time limits, and answers that are not believed unseen."""
