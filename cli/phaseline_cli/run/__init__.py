"""Read a program's progress from what it prints, without changing the program."""
