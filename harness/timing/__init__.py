"""The clock and the checker: measures a candidate tree against a base tree in processes it does not trust."""
