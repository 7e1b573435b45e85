/* A terminal for a program whose output is one in an update: what apt runs dpkg on, pty(7). */
#ifndef OUA_AGENT_TERMINAL_H
#define OUA_AGENT_TERMINAL_H

struct terminal {
  int master; /* does not block */
  int slave;
};

/* With the settings of a new one, as apt's has when it has none itself. 0, or -1 with errno. */
int terminal_open(struct terminal *terminal);
void terminal_close(struct terminal *terminal);

#endif
