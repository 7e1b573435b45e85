#include "printed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "metadata.h"
#include "report.h"
#include "write.h"

static struct printed {
  uint32_t step;
  char *text;
  size_t size;
} *all;
static size_t count;
static size_t kept;

/* Of all steps together: the guest's scripts decide how much they print. */
#define PRINTED_MAX (32u << 20)

void printed_keep(uint32_t step, char *text, size_t size) {
  if (!text) return;
  all = realloc(all, (count + 1) * sizeof *all);
  if (!all) abort();
  if (size > PRINTED_MAX - kept) {
    size = PRINTED_MAX - kept;
    text = realloc(text, size + 1);
    if (!text) abort();
  }
  kept += size;
  all[count++] = (struct printed){step, text, size};
}

static const struct printed *find(uint32_t step) {
  for (size_t i = 0; i < count; i++)
    if (all[i].step == step) return &all[i];
  return NULL;
}

static bool copy_part(int from, int to, uint64_t start, uint64_t end) {
  char part[16384];
  for (uint64_t at = start; at < end;) {
    ssize_t got = pread(from, part, end - at < sizeof part ? (size_t)(end - at) : sizeof part, (off_t)at);
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;
    if (got <= 0 || !write_all(to, part, (size_t)got)) return false;
    at += (uint64_t)got;
  }
  return true;
}

static bool write_completed(const struct change *change, int from, int to) {
  uint64_t at = 0;
  for (uint32_t i = 0; i < change->output_count; i++) {
    const struct output *output = &change->outputs[i];
    const struct printed *printed = find(output->step);
    if (!copy_part(from, to, at, output->offset)) return false;
    if (printed && !write_all(to, printed->text, printed->size)) return false;
    at = output->offset;
  }
  return copy_part(from, to, at, change->size);
}

int printed_insert(const struct change *change, int state, const struct names *names, enum made_content *made) {
  bool any = false;
  for (uint32_t i = 0; i < change->output_count; i++) any = any || find(change->outputs[i].step);
  if (!any) return 0;
  int from = openat(state, names->staged, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  int to = openat(state, names->fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
  bool ok = from >= 0 && to >= 0 && write_completed(change, from, to) && metadata_set(state, names->fresh, change) == 0 &&
            fsync(to) == 0 && renameat(state, names->fresh, state, names->staged) == 0;
  int error = errno;
  if (from >= 0) close(from);
  if (to >= 0) close(to);
  errno = error;
  *made = ok ? COMPLETED : AS_PLANNED;
  return ok ? 0 : fail_errno("AGENT_FAILED", change->path, "can't be laid ready");
}
