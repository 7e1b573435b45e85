/* The packed tree: loading, checking, finding. Its layout is in fuse.h. */
#include "fuse.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint32_t u32(const uint8_t *bytes) {
  uint32_t value;
  memcpy(&value, bytes, sizeof value);
  return le32toh(value);
}

static uint16_t u16(const uint8_t *bytes) {
  uint16_t value;
  memcpy(&value, bytes, sizeof value);
  return le16toh(value);
}

static int64_t i64(const uint8_t *bytes) {
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return (int64_t)le64toh(value);
}

static bool within(uint32_t offset, uint32_t length, uint32_t size) {
  return offset <= size && length <= size - offset;
}

static bool has_children(const struct oua_node *node) {
  return node->kind == OUA_DIRECTORY || node->kind == OUA_TEMPLATE;
}

static int compare_names(const char *a, size_t a_length, const char *b, size_t b_length) {
  int order = memcmp(a, b, a_length < b_length ? a_length : b_length);
  return order ? order : (a_length > b_length) - (a_length < b_length);
}

static bool name_is_sound(const char *name, uint32_t length) {
  if (length == 0 || length > 255 || memchr(name, '/', length) || memchr(name, 0, length)) return false;
  return !(length <= 2 && memcmp(name, "..", length) == 0);
}

static bool node_is_sound(const struct oua_tree *tree, uint32_t heap_length, uint32_t index) {
  const struct oua_node *node = &tree->nodes[index];
  if (node->kind < OUA_DIRECTORY || node->kind >= OUA_KIND_END) return false;
  if (node->mode > 0777 || (node->flags & ~OUA_NODE_HIDDEN)) return false;
  if (has_children(node)) {
    /* Children lie behind their parent, so no walk can go round. */
    if (node->data_length && (node->data <= index || !within(node->data, node->data_length, tree->count)))
      return false;
  } else if (node->kind == OUA_FILE || node->kind == OUA_SYMLINK) {
    if (!within(node->data, node->data_length, heap_length)) return false;
  } else if (node->data_length) {
    return false;
  }
  /* A link without a target, or one longer than the kernel takes (PATH_MAX), or with a NUL in it. */
  if (node->kind == OUA_SYMLINK && (node->data_length == 0 || node->data_length > 4095 ||
                                    memchr(tree->heap + node->data, 0, node->data_length)))
    return false;
  if (index == 0) return node->kind == OUA_DIRECTORY && node->parent == 0 && node->name_length == 0;

  if (node->parent >= index || !within(node->name, node->name_length, heap_length)) return false;
  const struct oua_node *parent = &tree->nodes[node->parent];
  if (!has_children(parent) || index < parent->data || index - parent->data >= parent->data_length) return false;
  const char *name = tree->heap + node->name;
  if (!name_is_sound(name, node->name_length)) return false;
  if (index > parent->data) {
    const struct oua_node *before = node - 1;
    if (!within(before->name, before->name_length, heap_length)) return false;
    if (compare_names(tree->heap + before->name, before->name_length, name, node->name_length) >= 0) return false;
  }
  return true;
}

/* The template is a child of the root, and what belongs in it is nowhere else. */
static bool template_is_sound(const struct oua_tree *tree) {
  for (uint32_t index = 1; index < tree->count; index++) {
    const struct oua_node *node = &tree->nodes[index];
    bool named = index == tree->template;
    if ((node->kind == OUA_TEMPLATE) != named || (named && node->parent != 0)) return false;
    if ((node->kind == OUA_REAL || node->kind == OUA_TASKS) && (!tree->template || node->parent != tree->template))
      return false;
  }
  return tree->template < tree->count;
}

/* Each directory's range of children is claimed by exactly those children. */
static bool ranges_are_sound(const struct oua_tree *tree) {
  uint64_t claimed = 1;
  for (uint32_t index = 0; index < tree->count; index++)
    if (has_children(&tree->nodes[index])) claimed += tree->nodes[index].data_length;
  return claimed == tree->count;
}

static int by_number(const void *a, const void *b) {
  return ((const struct oua_guest_pid *)a)->pid - ((const struct oua_guest_pid *)b)->pid;
}

static int list_pids(struct oua_tree *tree) {
  const struct oua_node *root = &tree->nodes[0];
  tree->pids = calloc(root->data_length ? root->data_length : 1, sizeof *tree->pids);
  if (!tree->pids) return -ENOMEM;
  for (uint32_t index = root->data; index < root->data + root->data_length; index++) {
    const struct oua_node *node = &tree->nodes[index];
    int pid = oua_pid_of(tree->heap + node->name, node->name_length);
    if (pid && node->kind == OUA_DIRECTORY)
      tree->pids[tree->pid_count++] = (struct oua_guest_pid){.pid = pid, .node = index};
  }
  qsort(tree->pids, tree->pid_count, sizeof *tree->pids, by_number);
  return 0;
}

struct oua_guest_pid *oua_guest_pid_of(const struct oua_tree *tree, int pid) {
  struct oua_guest_pid wanted = {.pid = pid};
  return bsearch(&wanted, tree->pids, tree->pid_count, sizeof *tree->pids, by_number);
}

static int load(struct oua_tree *tree, const uint8_t *bytes, uint32_t length) {
  uint32_t count = u32(bytes + 16), heap = u32(bytes + 24), heap_length = u32(bytes + 28);
  if (u32(bytes + 12) != length || count == 0 || count > OUA_TREE_NODES_MAX) return -EBADMSG;
  if (heap != OUA_TREE_HEADER + count * OUA_TREE_NODE || heap > length || heap_length != length - heap)
    return -EBADMSG;
  if (i64(bytes + 40) != 0) return -EBADMSG;

  tree->memory = malloc((size_t)count * sizeof(struct oua_node) + heap_length);
  if (!tree->memory) return -ENOMEM;
  struct oua_node *nodes = tree->memory;
  char *text = (char *)(nodes + count);
  memcpy(text, bytes + heap, heap_length);
  for (uint32_t index = 0; index < count; index++) {
    const uint8_t *at = bytes + OUA_TREE_HEADER + (size_t)index * OUA_TREE_NODE;
    nodes[index] = (struct oua_node){.parent = u32(at),
                                     .kind = at[4],
                                     .flags = at[5],
                                     .mode = u16(at + 6),
                                     .uid = u32(at + 8),
                                     .gid = u32(at + 12),
                                     .name = u32(at + 16),
                                     .name_length = u32(at + 20),
                                     .data = u32(at + 24),
                                     .data_length = u32(at + 28)};
  }
  tree->count = count;
  tree->template = u32(bytes + 20);
  tree->time = i64(bytes + 32);
  tree->nodes = nodes;
  tree->heap = text;
  for (uint32_t index = 0; index < count; index++)
    if (!node_is_sound(tree, heap_length, index)) return -EBADMSG;
  if (!ranges_are_sound(tree) || !template_is_sound(tree)) return -EBADMSG;
  return list_pids(tree);
}

int oua_tree_load(struct oua_tree *tree, const void *bytes, size_t length) {
  memset(tree, 0, sizeof *tree);
  if (length < OUA_TREE_HEADER || length > OUA_TREE_BYTES_MAX || memcmp(bytes, "OUAPROC", 8) != 0) return -EBADMSG;
  if (u32((const uint8_t *)bytes + 8) != OUA_TREE_VERSION) return -EPROTONOSUPPORT;
  int result = load(tree, bytes, (uint32_t)length);
  if (result < 0) oua_tree_free(tree);
  return result;
}

void oua_tree_free(struct oua_tree *tree) {
  free(tree->memory);
  free(tree->pids);
  memset(tree, 0, sizeof *tree);
}

uint32_t oua_tree_find(const struct oua_tree *tree, uint32_t directory, const char *name, size_t length) {
  const struct oua_node *node = &tree->nodes[directory];
  if (!has_children(node)) return 0;
  uint32_t low = node->data, high = node->data + node->data_length;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    const struct oua_node *child = &tree->nodes[middle];
    int order = compare_names(name, length, tree->heap + child->name, child->name_length);
    if (order == 0) return child->kind == OUA_TEMPLATE ? 0 : middle;
    if (order < 0)
      high = middle;
    else
      low = middle + 1;
  }
  return 0;
}

int oua_pid_of(const char *name, size_t length) {
  if (length == 0 || length > 7 || name[0] == '0') return 0;
  int pid = 0;
  for (size_t i = 0; i < length; i++) {
    if (name[i] < '0' || name[i] > '9') return 0;
    pid = pid * 10 + (name[i] - '0');
  }
  return pid < OUA_PID_MAX ? pid : 0;
}
