"""What a command's own Python processes are made to tell: loaded into them by path, none of it imported here."""
