/* cmd/: main() and one small file per sub-command. */
#pragma once

/* Each gets the arguments after its own name and returns the exit status. */
int cmd_do(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
