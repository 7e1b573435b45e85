import { at, optional, type FieldSpec } from './field-spec.js';

/** Rows of `fields.ts` about file system types and modules. */
export const moduleFields = {
  file_system_type: {
    name: at('name'),
    fs_flags: at('fs_flags'),
    // the list of file systems became a struct hlist_head (seen in 7.2)
    next: optional('next'),
    list: optional('list'),
  },

  module: {
    list: at('list'),
    name: at('name'),
    state: at('state'),
    refcnt: at('refcnt'),
    source_list: at('source_list'),
    taints: at('taints'),
    init: at('init'),
    exit: optional('exit'),
    kp: optional('kp'),
    num_kp: optional('num_kp'),
    // core_layout and init_layout → mem[]: ac3b43283923 (6.4)
    mem: optional('mem'),
    core_base: optional('core_layout.base'),
    core_size: optional('core_layout.size'),
    init_size: optional('init_layout.size'),
  },
  module_memory: { base: optional('base'), size: optional('size') },
  kernel_param: {
    name: optional('name'),
    ops: optional('ops'),
    perm: optional('perm'),
    arg: optional('arg'),
  },
  kparam_array: {
    max: optional('max'),
    elemsize: optional('elemsize'),
    num: optional('num'),
    ops: optional('ops'),
    elem: optional('elem'),
  },
  kparam_string: { string: optional('string') },
  module_use: { source_list: at('source_list'), source: at('source') },
} as const satisfies Record<string, Record<string, FieldSpec>>;
