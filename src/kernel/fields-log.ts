import { optional, type FieldSpec } from './field-spec.js';

/** Rows of `fields.ts` about the kernel's log, `kernel/printk/printk_ringbuffer.h`: 896fbe20b4e2 (5.10). */
export const logFields = {
  printk_ringbuffer: { desc_ring: optional('desc_ring'), text_data_ring: optional('text_data_ring') },
  prb_desc_ring: {
    count_bits: optional('count_bits'),
    descs: optional('descs'),
    infos: optional('infos'),
    head_id: optional('head_id'),
    tail_id: optional('tail_id'),
  },
  prb_data_ring: { size_bits: optional('size_bits'), data: optional('data') },
  prb_desc: {
    state_var: optional('state_var'),
    begin: optional('text_blk_lpos.begin'),
    next: optional('text_blk_lpos.next'),
  },
  printk_info: {
    seq: optional('seq'),
    ts_nsec: optional('ts_nsec'),
    text_len: optional('text_len'),
    facility: optional('facility'),
    level: optional('level'),
  },
} as const satisfies Record<string, Record<string, FieldSpec>>;
