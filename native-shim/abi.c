#include "abi.h"
#include "scan.h"
#include "trace.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

static const struct {
  const char *name;
  size_t size;
} structs[] = {
    {"pointer", sizeof(void *)},
    {"scan_entry", sizeof(struct oua_scan_entry)},
    {"oua_trace_event", sizeof(struct oua_trace_event)},
    {"oua_trace_held_call", sizeof(struct oua_trace_held_call)},
    {"oua_trace_row", sizeof(struct oua_trace_row)},
    {"oua_trace_counts", sizeof(struct oua_trace_counts)},
};

int32_t oua_abi_version(void) { return OUA_ABI_VERSION; }

int32_t oua_struct_size(const char *name) {
  for (size_t i = 0; i < sizeof structs / sizeof *structs; i++)
    if (strcmp(structs[i].name, name) == 0) return (int32_t)structs[i].size;
  return -ENOENT;
}
