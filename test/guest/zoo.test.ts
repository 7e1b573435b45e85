import { zooGuest } from '../lab/zoo/boot.js';
import { compareWithCaptures } from '../lab/zoo/compare.js';
import { zooKernels } from '../lab/zoo/kernels.js';

/** The whole zoo is visited by `npm run lab -- zoo`. */
const quick = zooKernels.filter((kernel) => kernel.quick).map((kernel) => kernel.name);

test.each(quick)('%s is seen as it sees itself', async (name) => {
  expect(await compareWithCaptures(await zooGuest(name))).toEqual([]);
});
