import { z } from 'zod';
import { guestKinds } from './live-state.js';
import { aspects } from './item.js';
import { operations } from './operations.js';
import { orders, policies } from './variant.js';

const difference = z.object({
  path: z.string(),
  aspect: z.enum(aspects),
  reference: z.string(),
  candidate: z.string(),
});

const caseResult = z.object({
  package: z.string(),
  operation: z.enum(operations),
  guest: z.enum(guestKinds),
  policy: z.enum(policies),
  order: z.enum(orders),
  result: z.enum(['identical', 'differs', 'failed']),
  differences: z.array(difference),
  /** What the two references do not agree on though no row of the allow-list says so. */
  unsteady: z.array(difference),
  /** Why it failed. */
  error: z.string().optional(),
  /** Wall clock of the whole case, without the references when another case had them already. */
  seconds: z.number(),
  /** Wall clock of the command inside the first reference, of the planning, and of the replay. */
  referenceSeconds: z.number().optional(),
  planSeconds: z.number().optional(),
  applySeconds: z.number().optional(),
});

/** What a run of the oracle says: one JSON document. */
export const oracleDocument = z.object({
  schemaVersion: z.literal('1.0'),
  /** False when it was interrupted before all cases were tried. */
  complete: z.boolean(),
  cases: z.array(caseResult),
  /** Rows of the allow-list. */
  allowList: z.number().int(),
  /** In a run of the whole corpus: rows that no two references have differed in. They should go. */
  allowListUnseen: z.array(z.object({ path: z.string(), why: z.string() })).optional(),
  seconds: z.number(),
});

export type CaseResult = z.infer<typeof caseResult>;
export type OracleDocument = z.infer<typeof oracleDocument>;
