/* The course of a replay, and its way back. */
#ifndef OUA_AGENT_REPLAY_H
#define OUA_AGENT_REPLAY_H

#include "stream.h"

enum agent_exit {
  EXIT_DONE = 0,
  EXIT_USAGE = 2,
  EXIT_REFUSED = 10,    /* nothing was changed */
  EXIT_ROLLED_BACK = 11, /* all file changes were taken back */
  EXIT_STUCK = 12,       /* something could not be taken back: the state directory is still there */
  EXIT_STOPPED = 13,     /* a script or live action failed, and what was done before it stays, as was chosen */
};

struct replay_options {
  bool live; /* inside the running guest, not in a directory */
  unsigned script_timeout;
};

enum agent_exit replay(const struct stream *stream, const struct replay_options *options);

/* Brings what an interrupted run left to its end: back, or forward when it was complete. 0, or -1 after fail(). */
int recover_all(void);

#endif
