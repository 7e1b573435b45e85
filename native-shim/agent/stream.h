/*
 * The replay stream: what the host lays out from a plan and the agent plays inside the guest.
 *
 * All numbers are little-endian. The file is a header of 64 bytes, the records, and then the contents of
 * regular files, one after the other, where the records say. It is read by offset, never by pointer.
 *
 *   header   magic[8] "OUAplay\n", u32 version, u32 on failure, u64 size of the records, u64 size of the file,
 *            plan[32] the plan's digest
 *   record   u32 kind, u32 size of the body, the body
 *   bytes    u32 length, that many bytes, a NUL that is not counted
 *
 * Bodies, by kind, are the fields of the structures below in their order; a list is a u32 count and its
 * elements. The records come in the order identity, preconditions, then each step followed by its changes
 * or its script, then the end. A mode holds the file's type as in st_mode; 0 stands for "nothing there".
 * docs/plan-format.md says the same for readers who don't read C.
 */
#ifndef OUA_AGENT_STREAM_H
#define OUA_AGENT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_MAGIC "OUAplay\n"
#define STREAM_VERSION 5
#define STREAM_HEADER_SIZE 64
#define STREAM_RECORDS_MAX (512u << 20)
#define DIGEST_SIZE 32

enum record_kind {
  RECORD_IDENTITY = 1,
  RECORD_PRECONDITION = 2,
  RECORD_STEP = 3,
  RECORD_PUT = 4,
  RECORD_LINK = 5,
  RECORD_REMOVE = 6,
  RECORD_SCRIPT = 7,
  RECORD_END = 8,
};

/* How two changes of a database are merged: formats.c */
enum merge_format {
  MERGE_NONE = 0,
  MERGE_ACCOUNTS = 1,
  MERGE_SHADOW = 2,
  MERGE_RANGES = 3,
  MERGE_STATUS = 4,
  MERGE_DEBCONF = 5,
  MERGE_DIVERSIONS = 6,
  MERGE_STATOVERRIDE = 7,
  MERGE_TRIGGERS = 8,
  MERGE_ALTERNATIVES = 9,
};

/* What becomes of a replay in which a script or a live action fails. */
enum on_failure { ON_FAILURE_ROLL_BACK = 0, ON_FAILURE_STOP = 1 };

enum step_kind { STEP_FILES = 1, STEP_SCRIPT = 2, STEP_TRIGGERS = 3, STEP_ACTION = 4 };

struct bytes {
  const char *data; /* NUL-terminated */
  uint32_t length;
};

/* Empty: not checked. */
struct identity {
  struct bytes boot_id;
  struct bytes machine_id;
  struct bytes banner;
  uint64_t uptime; /* milliseconds of CLOCK_BOOTTIME at the suspend */
  uint64_t day;    /* on which the plan was made, since the epoch */
};

struct precondition {
  const char *path;
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  const uint8_t *sha256; /* bytes of length 0 (not checked: NULL) or 32 */
  uint64_t size;         /* of that content */
  struct bytes target;   /* symbolic links */
};

struct xattr {
  const char *name;
  struct bytes value;
};

/* At `offset` of a content comes what the step with this number has printed on its terminal, printed.h. */
struct output {
  uint64_t offset;
  uint32_t step;
};

struct change {
  enum record_kind kind;
  const char *path;
  const char *to; /* RECORD_LINK: the name that is in place already */
  /* RECORD_PUT */
  uint32_t mode;
  uint32_t uid;
  uint32_t gid;
  uint32_t timed; /* 0: the time is now */
  int64_t seconds;
  uint32_t nanoseconds;
  uint32_t major;
  uint32_t minor;
  uint64_t offset; /* of the content: in the records from the end of the records, here in the file */
  uint64_t size;
  const char *target;
  uint32_t xattr_count;
  struct xattr *xattrs;
  uint32_t output_count;
  struct output *outputs; /* regular files that are no databases; by offset */
  /* RECORD_PUT, RECORD_REMOVE of a database; the base is what the plan knows to be there before, of size 0: nothing */
  enum merge_format merge;
  uint64_t base_offset; /* as `offset` */
  uint64_t base_size;
};

struct script {
  const char *path;
  const uint8_t *sha256;
  const char *cwd;
  char **argv;        /* NULL-terminated */
  char **environment; /* NULL-terminated */
  uint32_t text_argument; /* the word of argv that becomes the name of a file with `text`; 0: none */
  struct bytes text;
  struct bytes input; /* standard input */
  uint32_t terminal;  /* enum terminal_use */
};

/* Which descriptors of a program are a terminal: bits. */
enum terminal_use { TERMINAL_OUTPUT = 1, TERMINAL_ERRORS = 2 };

struct step {
  enum step_kind kind;
  uint32_t number; /* in the plan, whose steps that were over with the planning are left out here */
  uint32_t change_count;
  struct change *changes;
  struct script script;
};

struct stream {
  int fd;
  uint8_t plan[DIGEST_SIZE];
  enum on_failure on_failure;
  char *raw; /* header and records as they are in the file */
  size_t raw_size;
  struct identity identity;
  size_t precondition_count;
  struct precondition *preconditions;
  size_t step_count;
  struct step *steps;
};

/*
 * Reads and checks the header and every record. With `contents`, the contents must be there too: without,
 * the file ends after the records (the copy that is kept for recovery). Returns 0, or -1 after fail().
 */
int stream_load(struct stream *stream, int fd, bool contents);

#endif
