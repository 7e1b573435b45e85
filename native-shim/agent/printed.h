/*
 * What programs have printed on their terminal. An update copies that to files, apt to its term.log: there it is put
 * where the plan has left it out.
 */
#ifndef OUA_AGENT_PRINTED_H
#define OUA_AGENT_PRINTED_H

#include "expected.h"
#include "names.h"
#include "stream.h"

/* Takes over what the step with this number in the plan has printed; NULL: nothing. */
void printed_keep(uint32_t step, char *text, size_t size);

/* Completes what was laid ready for a change. Steps that did not run have printed nothing. 0, or -1 after fail(). */
int printed_insert(const struct change *change, int state, const struct names *names, enum made_content *made);

#endif
