/* Calls that are told: what memory gives them is read at their entry, where it leads and how it went at their exit. */
#include "trace-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WORDS 3
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

static bool follows(const struct oua_trace_row *row, const uint64_t *args, int index) {
  if (index > 0) return false;
  if (row->at_flags >= 0 && (args[row->at_flags] & AT_SYMLINK_FOLLOW)) return true;
  if (row->at_flags >= 0 && (args[row->at_flags] & AT_SYMLINK_NOFOLLOW)) return false;
  return row->flags & OUA_ROW_FOLLOWS;
}

static int directory_of(const struct oua_trace_row *row, const uint64_t *args, int index) {
  return row->directories[index] < 0 ? AT_FDCWD : as_descriptor(args[row->directories[index]]);
}

/* What the tracee's memory says; another thread may write there once the call has begun. */
static void read_memory(struct tracee *tracee, const struct oua_trace_row *row) {
  struct told *told = tracee->told;
  const uint64_t *args = tracee->call.args;
  for (int i = 0; i < 2; i++)
    if (row->paths[i] >= 0 && !(row->flags & OUA_ROW_OPENS))
      told->readable[i] =
          named_read(&told->paths[i], tracee->tid, args[row->paths[i]], directory_of(row, args, i)) == 0;
  if (row->text >= 0) named_read(&told->text, tracee->tid, args[row->text], AT_FDCWD);
  if (row->block >= 0) {
    uint32_t length = (uint32_t)args[row->block + 1];
    ssize_t got = memory_read(tracee->tid, args[row->block], told->block,
                              length < sizeof told->block ? length : sizeof told->block);
    told->block_length = got > 0 ? (size_t)got : 0;
  }
}

/* The call's last name may be gone by now, or new: it is not looked at unless the call followed it. */
static void add_path(struct tracee *tracee, struct record *record, const struct oua_trace_row *row, int index) {
  struct told *told = tracee->told;
  struct told_path path;
  bool follow = follows(row, tracee->call.args, index);
  bool found = told->readable[index] &&
               named_locate(&told->paths[index], tracee->tid, follow, path.text, sizeof path.text) == 0;
  event_add_string(record, path.text, found ? strlen(path.text) : 0);
}

static void add_descriptor(struct tracee *tracee, struct record *record, int fd) {
  char name[24];
  struct told_path path;
  snprintf(name, sizeof name, "fd/%d", fd);
  int length = proc_readlink(tracee->tid, name, path.text, sizeof path.text);
  event_add_string(record, path.text, length > 0 ? (size_t)length : 0);
}

/* Whether an open is going to make a file. Another process may be quicker: then both may be said to have made it. */
static bool creates(struct tracee *tracee, const struct oua_trace_row *row, uint64_t flags) {
  if (row->paths[0] < 0 || !(flags & O_CREAT)) return false;
  if (flags & O_EXCL) return true;
  const uint64_t *args = tracee->call.args;
  struct named *named = &tracee->told->paths[0];
  return named_read(named, tracee->tid, args[row->paths[0]], directory_of(row, args, 0)) == 0 && named->path[0] &&
         !named_exists(named, tracee->tid);
}

static uint64_t open_flags(struct tracee *tracee, const struct oua_trace_row *row) {
  uint64_t flags = 0;
  if (row->flags & OUA_ROW_BLOCK_FLAGS) {
    memory_read(tracee->tid, tracee->call.args[row->block], &flags, sizeof flags);
    return flags;
  }
  return row->open_flags < 0 ? CREAT_FLAGS : tracee->call.args[row->open_flags];
}

static bool is_worth_telling(struct tracee *tracee, const struct oua_trace_row *row) {
  if (!(row->flags & OUA_ROW_OPENS)) return true;
  uint64_t flags = open_flags(tracee, row);
  if (!(flags & WRITE_FLAGS) || (flags & O_PATH)) return false;
  tracee->told->created = creates(tracee, row, flags);
  return true;
}

void told_begin(struct run *run, struct tracee *tracee) {
  const struct oua_trace_row *row = &run->rows[tracee->call.row];
  struct call *call = &tracee->call;
  if (!tracee->told) tracee->told = malloc(sizeof *tracee->told);
  if (!tracee->told) {
    run->failed = true;
    return;
  }
  tracee->told->created = false;
  if (row->flags & OUA_ROW_WORDS) read_words(tracee);
  if (!is_worth_telling(tracee, row)) return;
  if (row->flags & OUA_ROW_PIDFD) {
    char name[40];
    snprintf(name, sizeof name, "fdinfo/%d", as_descriptor(call->args[0]));
    call->args[0] = (uint64_t)(int64_t)proc_number(tracee->tid, name, "Pid", false);
  }
  read_memory(tracee, row);
  tracee->at_exit = true;
}

void told_passed_on(struct run *run, struct tracee *tracee) {
  if (!(run->rows[tracee->call.row].flags & OUA_ROW_PASSED_ON)) return;
  tracee->call.answer = OUA_ANSWER_TOLD;
  told_begin(run, tracee);
}

/* An open of what was there already, or is no file, was taken for the making of one by a path that leads elsewhere. */
static bool is_file(struct tracee *tracee, int fd) {
  char name[48];
  struct stat status;
  snprintf(name, sizeof name, "/proc/%d/fd/%d", (int)tracee->tid, fd);
  return stat(name, &status) == 0 && S_ISREG(status.st_mode);
}

/* Half of the calls of a package manager fail, so that what a success costs is left until there is one. */
void told_end(struct run *run, struct tracee *tracee, int64_t result) {
  const struct oua_trace_row *row = &run->rows[tracee->call.row];
  const struct call *call = &tracee->call;
  struct told *told = tracee->told;
  bool again = result == -EINTR || result <= -KERNEL_RESTART;
  if (result < 0 && (again || !(row->flags & OUA_ROW_ERRORS))) return;
  bool opens = row->flags & OUA_ROW_OPENS, created = told->created && is_file(tracee, (int)result);
  struct record record;
  struct oua_trace_event event = {
      .kind = OUA_TRACE_CALL,
      .tid = tracee->tgid,
      .other = (created ? OUA_CALL_CREATED : 0) | (call->arch == AUDIT_ARCH_I386 ? OUA_CALL_I386 : 0),
      .status = (int32_t)result,
      .args = {call->row},
  };
  for (int i = 0; i < 6; i++) event.args[i + 1] = (int64_t)call->args[i];
  event_begin(&record, &event);
  for (int i = 0; i < 2; i++)
    if (row->paths[i] >= 0 && !opens) add_path(tracee, &record, row, i);
  if (row->descriptor >= 0) add_descriptor(tracee, &record, as_descriptor(call->args[row->descriptor]));
  if (row->text >= 0) event_add_string(&record, told->text.path, strlen(told->text.path));
  if (row->block >= 0) event_add_string(&record, told->block, told->block_length);
  if (opens) add_descriptor(tracee, &record, (int)result);
  event_send(run, &record, false);
}

void told_last(struct run *run, struct tracee *tracee) {
  if (!tracee->at_exit || tracee->call.answer != OUA_ANSWER_TOLD) return;
  if (run->rows[tracee->call.row].flags & OUA_ROW_DEADLY) told_end(run, tracee, 0);
}
