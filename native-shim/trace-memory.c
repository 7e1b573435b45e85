/* Reading and writing a stopped tracee's memory. Never past what was asked, never across an unread page. */
#include "trace-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#define PAGE 4096u
#define AT_ONCE 32 /* strings */
#define SHORT 256u /* bytes */

/* Both respect the pages' protection, as the kernel does when it reads what a call was given, and when it answers. */
ssize_t memory_read(pid_t tid, uint64_t address, void *bytes, size_t length) {
  struct iovec local = {bytes, length}, remote = {(void *)(uintptr_t)address, length};
  ssize_t moved = process_vm_readv(tid, &local, 1, &remote, 1, 0);
  return moved < 0 ? -errno : moved;
}

ssize_t memory_write(pid_t tid, uint64_t address, const void *bytes, size_t length) {
  struct iovec local = {(void *)(uintptr_t)bytes, length}, remote = {(void *)(uintptr_t)address, length};
  ssize_t moved = process_vm_writev(tid, &local, 1, &remote, 1, 0);
  return moved < 0 ? -errno : moved;
}

int32_t memory_read_string(pid_t tid, uint64_t from, uint8_t *bytes, int32_t length) {
  if (length <= 0) return -EINVAL;
  size_t have = 0, room = (size_t)length, chunk = 256;
  while (have < room) {
    size_t want = chunk < room - have ? chunk : room - have;
    size_t in_page = PAGE - (size_t)((from + have) % PAGE);
    if (want > in_page) want = in_page;
    ssize_t moved = memory_read(tid, from + have, bytes + have, want);
    if (moved <= 0) return moved == 0 ? -EFAULT : (int32_t)moved;
    uint8_t *end = memchr(bytes + have, 0, (size_t)moved);
    if (end) return (int32_t)(end - bytes + 1);
    have += (size_t)moved;
    chunk = PAGE;
  }
  return -ENAMETOOLONG;
}

/*
 * The beginnings of several strings in one call: each up to SHORT bytes and the end of its page. Most strings are
 * whole then. Result: how many strings were read.
 */
static size_t read_beginnings(pid_t tid, const uint64_t *pointers, size_t count, char (*beginnings)[SHORT],
                              size_t *lengths) {
  struct iovec local[AT_ONCE] = {{0}}, remote[AT_ONCE] = {{0}};
  for (size_t i = 0; i < count; i++) {
    size_t in_page = PAGE - (size_t)(pointers[i] % PAGE);
    lengths[i] = in_page < SHORT ? in_page : SHORT;
    local[i] = (struct iovec){beginnings[i], lengths[i]};
    remote[i] = (struct iovec){(void *)(uintptr_t)pointers[i], lengths[i]};
  }
  ssize_t moved = process_vm_readv(tid, local, count, remote, count, 0);
  size_t read = 0;
  for (; read < count && moved >= (ssize_t)lengths[read]; read++) moved -= (ssize_t)lengths[read];
  return read;
}

/* Some strings, packed. Their bytes, or as memory_read_strings. */
static int32_t read_some(pid_t tid, const uint64_t *pointers, size_t count, uint8_t *bytes, size_t room) {
  char beginnings[AT_ONCE][SHORT];
  size_t lengths[AT_ONCE], read = read_beginnings(tid, pointers, count, beginnings, lengths), have = 0;
  for (size_t i = 0; i < count; i++) {
    char *end = i < read ? memchr(beginnings[i], 0, lengths[i]) : NULL;
    size_t length = end ? (size_t)(end - beginnings[i]) + 1 : 0;
    if (have == room || length > room - have) return -E2BIG;
    if (end) {
      memcpy(bytes + have, beginnings[i], length);
      have += length;
      continue;
    }
    int32_t got = memory_read_string(tid, pointers[i], bytes + have, (int32_t)(room - have));
    if (got < 0) return got == -ENAMETOOLONG ? -E2BIG : got;
    have += (size_t)got;
  }
  return (int32_t)have;
}

int32_t memory_read_strings(pid_t tid, uint64_t from, int pointer_size, uint8_t *bytes, int32_t length) {
  if (length < 0 || (pointer_size != 4 && pointer_size != 8)) return -EINVAL;
  if (from == 0) return 0;
  size_t have = 0, size = (size_t)pointer_size;
  for (;;) {
    uint8_t raw[AT_ONCE * 8];
    uint64_t pointers[AT_ONCE];
    size_t want = AT_ONCE * size, in_page = PAGE - (size_t)(from % PAGE), count = 0;
    /* An array need not be aligned: a pointer may span two pages. */
    if (in_page >= size && want > in_page) want = in_page - in_page % size;
    ssize_t moved = memory_read(tid, from, raw, in_page >= size ? want : size);
    if (moved < (ssize_t)size) return moved < 0 ? (int32_t)moved : -EFAULT;
    bool ended = false;
    for (; !ended && (count + 1) * size <= (size_t)moved; from += size) {
      pointers[count] = 0;
      memcpy(&pointers[count], raw + count * size, size);
      if (pointers[count] == 0)
        ended = true;
      else
        count++;
    }
    int32_t got = count ? read_some(tid, pointers, count, bytes + have, (size_t)length - have) : 0;
    if (got < 0) return got;
    have += (size_t)got;
    if (ended) return (int32_t)have;
  }
}
