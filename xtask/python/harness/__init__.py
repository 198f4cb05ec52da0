"""What the end-to-end scenarios stand on: the program, the calendars on both sides, and a proxy that counts."""
