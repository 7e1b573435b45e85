/* readlink(2): a link into the hidden procfs is shown as what it stands for. */
#include "trace-internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The links of a process that lead anywhere; its other ones are shown as they are. */
static bool is_process_link(const char *name) {
  static const char *const links[] = {"exe", "cwd", "root"};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++)
    if (strcmp(name, links[i]) == 0) return true;
  return false;
}

/* `<hidden>/<pid>/<name>` → the pid and the name, or 0. */
static pid_t parse_hidden(const char *hidden, const char *text, const char **name) {
  size_t length = strlen(hidden);
  if (strncmp(text, hidden, length) != 0 || text[length] != '/') return 0;
  char *end;
  long pid = strtol(text + length + 1, &end, 10);
  if (pid <= 0 || pid > INT_MAX || *end != '/') return 0;
  *name = end + 1;
  return is_process_link(*name) ? (pid_t)pid : 0;
}

/* The kernel does not follow the last name, so it tells whether the call can concern us. None: a descriptor's link. */
static bool may_be_ours(struct tracee *tracee) {
  char path[PATH_MAX];
  uint64_t address = tracee->call.args[tracee->call.answer == OUA_ANSWER_READLINKAT ? 1 : 0];
  if (memory_read_string(tracee->tid, address, (uint8_t *)path, sizeof path) < 0) return true;
  const char *slash = strrchr(path, '/');
  return path[0] == 0 || is_process_link(slash ? slash + 1 : path);
}

/* What a reader inside a chroot sees of a path. */
static const char *below_root(const char *root, const char *path) {
  size_t length = strlen(root);
  if (strcmp(root, "/") == 0 || strncmp(path, root, length) != 0) return path;
  return path[length] == '/' ? path + length : path[length] == 0 ? "/" : path;
}

/* What the tracee wants the link written to. */
struct buffer {
  int argument;
  uint64_t address;
  int32_t room;
};

static struct buffer buffer_of(const struct call *call) {
  int first = call->answer == OUA_ANSWER_READLINKAT ? 2 : 1;
  return (struct buffer){first, call->args[first], (int32_t)(uint32_t)call->args[first + 1]};
}

/* Whether the kernel could write there for the tracee; what lies there is kept. */
static bool is_usable(struct tracee *tracee, uint64_t address, size_t length) {
  /* 64-bit programs can make 32-bit calls, but these do not reach their stack. */
  if (tracee->call.pointer_size == 4 && address > UINT32_MAX) return false;
  return memory_read(tracee->tid, address, tracee->put_aside, length) == (ssize_t)length &&
         memory_write(tracee->tid, address, tracee->put_aside, length) == (ssize_t)length;
}

/*
 * A small buffer would cut the link off before one can tell where it leads: then the kernel writes it below
 * the tracee's stack (or, where that cannot be, over the buffer and what follows), and what lies there is put
 * back at the exit.
 */
void readlink_begin(struct run *run, struct tracee *tracee) {
  struct buffer buffer = buffer_of(&tracee->call);
  uint64_t top;
  if (!may_be_ours(tracee)) return;
  tracee->at_exit = true;
  tracee->aside = 0;
  size_t wanted = strlen(run->hidden_proc) + BELOW_HIDDEN_MAX;
  if (buffer.room <= 0 || (size_t)buffer.room >= wanted || arch_free_stack(tracee->tid, &top) < 0) return;
  uint64_t aside = top - wanted;
  if (!is_usable(tracee, aside, wanted)) {
    aside = buffer.address;
    if (!is_usable(tracee, aside, wanted)) return;
  }
  if (arch_set_argument(tracee->tid, &tracee->call, buffer.argument, aside) == 0 &&
      arch_set_argument(tracee->tid, &tracee->call, buffer.argument + 1, wanted) == 0)
    tracee->aside = aside;
}

/* The link that the kernel gave, and the tracee as it was. */
static bool take(struct run *run, struct tracee *tracee, uint64_t from, char *text, int64_t result) {
  bool read = result > 0 && result < PATH_MAX &&
              memory_read(tracee->tid, from, text, (size_t)result) == (ssize_t)result;
  if (read) text[result] = 0;
  if (tracee->aside) {
    size_t length = strlen(run->hidden_proc) + BELOW_HIDDEN_MAX;
    memory_write(tracee->tid, tracee->aside, tracee->put_aside, length);
    arch_restore_arguments(tracee->tid, &tracee->call);
  }
  return read;
}

static void give(struct tracee *tracee, const struct buffer *buffer, const char *text) {
  size_t length = strlen(text);
  if (length > (size_t)buffer->room) length = (size_t)buffer->room;
  ssize_t written = memory_write(tracee->tid, buffer->address, text, length);
  arch_set_result(tracee->tid, written == (ssize_t)length ? written : -EFAULT);
}

void readlink_end(struct run *run, struct tracee *tracee, int64_t result) {
  char text[PATH_MAX], target[PATH_MAX], root[PATH_MAX];
  const char *name;
  struct buffer buffer = buffer_of(&tracee->call);
  if (!take(run, tracee, tracee->aside ? tracee->aside : buffer.address, text, result)) return;
  pid_t ns_pid = parse_hidden(run->hidden_proc, text, &name);
  if (ns_pid == 0) {
    if (tracee->aside) give(tracee, &buffer, text);
    return;
  }
  pid_t pid = pid_on_host(run, tracee, ns_pid);
  int got = pid ? proc_readlink(pid, name, target, sizeof target) : -ENOENT;
  if (got >= 0) got = proc_readlink(tracee->tid, "root", root, sizeof root);
  if (got < 0) {
    arch_set_result(tracee->tid, got);
    return;
  }
  give(tracee, &buffer, below_root(root, target));
  run->counts.answered++;
}
