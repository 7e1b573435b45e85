/* Calls that are told: what they are given is read at their entry, how they went at their exit. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WORDS 3
/* A struct sockaddr_storage; an open_how is shorter. */
#define BLOCK_MAX 128u
#define WRITE_FLAGS ((uint64_t)(O_WRONLY | O_RDWR | O_CREAT | O_TRUNC))
#define CREAT_FLAGS ((uint64_t)(O_WRONLY | O_CREAT | O_TRUNC))
/* The first errno with which the kernel makes a call again, linux/errno.h; programs never see these. */
#define KERNEL_RESTART 512

struct told_path {
  char text[2 * PATH_MAX];
};

static int as_descriptor(uint64_t argument) { return (int32_t)(uint32_t)argument; }

/* socketcall(2): its arguments lie in memory. */
static void read_words(struct tracee *tracee) {
  uint32_t words[WORDS] = {0};
  struct call *call = &tracee->call;
  memory_read(tracee->tid, call->args[1], words, sizeof words);
  for (int i = 0; i < 6; i++) call->args[i] = i < WORDS ? words[i] : 0;
}

static void read_block(struct tracee *tracee, uint64_t address, uint64_t length) {
  uint8_t block[BLOCK_MAX];
  size_t wanted = (uint32_t)length < sizeof block ? (uint32_t)length : sizeof block;
  ssize_t got = memory_read(tracee->tid, address, block, wanted);
  event_add_string(&tracee->told, block, got > 0 ? (size_t)got : 0);
}

static void read_text(struct tracee *tracee, uint64_t address) {
  struct named named;
  named_read(&named, tracee->tid, address, AT_FDCWD);
  event_add_string(&tracee->told, named.path, strlen(named.path));
}

static void read_path(struct tracee *tracee, const struct oua_trace_row *row, int index) {
  const uint64_t *args = tracee->call.args;
  int directory = row->directories[index] < 0 ? AT_FDCWD : as_descriptor(args[row->directories[index]]);
  bool follow = index == 0 && (row->flags & OUA_ROW_FOLLOWS);
  if (index == 0 && row->at_flags >= 0) {
    if (args[row->at_flags] & AT_SYMLINK_FOLLOW) follow = true;
    if (args[row->at_flags] & AT_SYMLINK_NOFOLLOW) follow = false;
  }
  struct named named;
  struct told_path path;
  int error = named_read(&named, tracee->tid, args[row->paths[index]], directory);
  if (!error) error = named_locate(&named, tracee->tid, follow, path.text, sizeof path.text);
  event_add_string(&tracee->told, path.text, error ? 0 : strlen(path.text));
}

static void add_descriptor(struct tracee *tracee, int fd) {
  char name[24];
  struct told_path path;
  snprintf(name, sizeof name, "fd/%d", fd);
  int length = proc_readlink(tracee->tid, name, path.text, sizeof path.text);
  event_add_string(&tracee->told, path.text, length > 0 ? (size_t)length : 0);
}

/* Whether an open is going to make a file. Another process may be quicker: then both may be said to have made it. */
static bool creates(struct tracee *tracee, const struct oua_trace_row *row, uint64_t flags) {
  if (row->paths[0] < 0 || !(flags & O_CREAT)) return false;
  if (flags & O_EXCL) return true;
  const uint64_t *args = tracee->call.args;
  int directory = row->directories[0] < 0 ? AT_FDCWD : as_descriptor(args[row->directories[0]]);
  struct named named;
  return named_read(&named, tracee->tid, args[row->paths[0]], directory) == 0 && named.path[0] &&
         !named_exists(&named, tracee->tid);
}

static uint64_t open_flags(struct tracee *tracee, const struct oua_trace_row *row) {
  uint64_t flags = 0;
  if (row->flags & OUA_ROW_BLOCK_FLAGS) {
    memory_read(tracee->tid, tracee->call.args[row->block], &flags, sizeof flags);
    return flags;
  }
  return row->open_flags < 0 ? CREAT_FLAGS : tracee->call.args[row->open_flags];
}

static bool is_worth_telling(struct tracee *tracee, const struct oua_trace_row *row, int32_t *created) {
  if (!(row->flags & OUA_ROW_OPENS)) return true;
  uint64_t flags = open_flags(tracee, row);
  if (!(flags & WRITE_FLAGS) || (flags & O_PATH)) return false;
  if (creates(tracee, row, flags)) *created = OUA_CALL_CREATED;
  return true;
}

void told_begin(struct run *run, struct tracee *tracee) {
  const struct oua_trace_row *row = &run->rows[tracee->call.row];
  struct call *call = &tracee->call;
  int32_t created = 0;
  event_free(&tracee->told);
  if (row->flags & OUA_ROW_WORDS) read_words(tracee);
  if (!is_worth_telling(tracee, row, &created)) return;
  event_begin(&tracee->told, &(struct oua_trace_event){
                                 .kind = OUA_TRACE_CALL,
                                 .tid = tracee->tgid,
                                 .other = created | (call->arch == AUDIT_ARCH_I386 ? OUA_CALL_I386 : 0),
                             });
  if (row->flags & OUA_ROW_PIDFD) {
    char name[40];
    snprintf(name, sizeof name, "fdinfo/%d", as_descriptor(call->args[0]));
    call->args[0] = (uint64_t)(int64_t)proc_number(tracee->tid, name, "Pid", false);
  }
  for (int i = 0; i < 2; i++)
    if (row->paths[i] >= 0 && !(row->flags & OUA_ROW_OPENS)) read_path(tracee, row, i);
  if (row->descriptor >= 0) add_descriptor(tracee, as_descriptor(call->args[row->descriptor]));
  if (row->text >= 0) read_text(tracee, call->args[row->text]);
  if (row->block >= 0) read_block(tracee, call->args[row->block], call->args[row->block + 1]);
  tracee->at_exit = true;
}

void told_passed_on(struct run *run, struct tracee *tracee) {
  if (!(run->rows[tracee->call.row].flags & OUA_ROW_PASSED_ON)) return;
  tracee->call.answer = OUA_ANSWER_TOLD;
  told_begin(run, tracee);
}

/* An open of what was there already, or is no file, was taken for the making of one by a path that leads elsewhere. */
static void check_created(struct tracee *tracee, int fd) {
  char name[48];
  struct stat status;
  snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)tracee->tid, fd);
  if (stat(name, &status) < 0 || !S_ISREG(status.st_mode)) event_of(&tracee->told)->other &= ~OUA_CALL_CREATED;
}

void told_end(struct run *run, struct tracee *tracee, int64_t result) {
  const struct oua_trace_row *row = &run->rows[tracee->call.row];
  bool again = result == -EINTR || result <= -KERNEL_RESTART;
  if (result < 0 && (again || !(row->flags & OUA_ROW_ERRORS))) return event_free(&tracee->told);
  struct oua_trace_event *event = event_of(&tracee->told);
  event->status = (int32_t)result;
  event->args[0] = tracee->call.row;
  for (int i = 0; i < 6; i++) event->args[i + 1] = (int64_t)tracee->call.args[i];
  if (row->flags & OUA_ROW_OPENS) {
    if (event->other & OUA_CALL_CREATED) check_created(tracee, (int)result);
    add_descriptor(tracee, (int)result);
  }
  event_send(run, &tracee->told, false);
}

void told_last(struct run *run, struct tracee *tracee) {
  if (!tracee->at_exit || tracee->call.answer != OUA_ANSWER_TOLD) return;
  if (run->rows[tracee->call.row].flags & OUA_ROW_DEADLY) told_end(run, tracee, 0);
}
