/* Programs of the guest that the agent runs, and the wish to stop. */
#ifndef OUA_AGENT_PROCESS_H
#define OUA_AGENT_PROCESS_H

#include "stream.h"

/* Blocks the signals that ask the agent to stop; they are then seen by stop_requested(). */
void process_setup(int null_fd);
bool stop_requested(void);

/* When a script has said more than this, only the last part is kept; of what it says on a terminal, the first. */
#define SCRIPT_OUTPUT_MAX (4u << 20)

struct outcome {
  int exit_status; /* as a shell has it: 128 + signal */
  bool timed_out;
  bool stopped;
  char *output; /* the last part of what it said */
  size_t output_size;
  char *printed; /* what it said on its terminal, NULL: nothing */
  size_t printed_size;
};

/* A program and what it is given. */
struct program {
  const char *path;
  char *const *argv;
  char *const *environment;
  const char *cwd;
  int input;         /* standard input; -1: empty */
  uint32_t terminal; /* enum terminal_use: the others are a file */
};

/*
 * Runs a program to its end: output kept, in a session of its own, at most `timeout` seconds. 0, or -1 after fail()
 * when it can't be started.
 */
int process_run(const struct program *program, unsigned timeout, struct outcome *outcome);

/* Runs a script call, if the program there still is the one that the plan means. */
int script_run(const struct script *script, unsigned timeout, struct outcome *outcome);

/* Whether dpkg has triggers that wait to be processed. */
bool triggers_pending(void);

#endif
