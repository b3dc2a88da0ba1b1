"""Where a command's time goes, and what making a function of it faster would be worth."""
